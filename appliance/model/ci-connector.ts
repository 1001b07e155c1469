/** What a node's agent needs to start its CI agent; goes to the node in the heartbeat's answer. */
export type CiEnrolment = { kind: string; agentId: string; url: string; secret: string; labels: string[] }

/** A node as the CI server sees it. */
export type CiNodeStatus = {
  node: string
  agentId: string
  online: boolean
  /** Takes no new job. */
  quiesced: boolean
  /** Jobs it runs now, as `name#number`; empty is the CI server's idle proof. */
  jobs: string[]
}

export type CiJob = {
  id: string
  node: string
  name: string
  /** Milliseconds since 1970. */
  queuedAt: number
  startedAt: number | null
  finishedAt: number | null
  /** The command's exit status, null while it runs. */
  status: number | null
  output: string
}

/** One CI server. Calls are idempotent by node name; quiesce and resume set a state, they never toggle. */
export interface CiConnector {
  readonly name: string
  readonly kind: string
  /** Milliseconds for which both idle proofs must hold without a break. */
  readonly quietWindow: number
  check(signal: AbortSignal): Promise<{ version: string }>
  enrol(node: { name: string; labels: string[] }, signal: AbortSignal): Promise<CiEnrolment>
  status(signal: AbortSignal): Promise<CiNodeStatus[]>
  quiesce(node: string, signal: AbortSignal): Promise<void>
  resume(node: string, signal: AbortSignal): Promise<void>
  /** An agent that is not there is no error. */
  remove(node: string, signal: AbortSignal): Promise<void>
  /** Jobs that changed at or after this time (milliseconds since 1970). */
  jobs(since: number, signal: AbortSignal): Promise<CiJob[]>
}
