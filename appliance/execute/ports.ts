import type { Clock } from '../core/clock.ts'
import type { Digest } from '../core/digest.ts'
import type { Log } from '../core/log.ts'
import type { CiConnector, CiEnrolment } from '../model/ci-connector.ts'
import type { EventSink } from '../model/event.ts'
import type { Hypervisor } from '../model/hypervisor.ts'
import type { ImageManifest } from '../model/image.ts'
import type { NodeRecord, NodeRegistry } from '../model/node.ts'
import type { PoolRecord } from '../model/pool.ts'

/**
 * Journals one effect: intent(name) → effect → result(name). Unlike in an operation nothing is replayed: after a crash the loop looks
 * again and decides anew. A name is used once; its first word is the step's kind.
 */
export interface StepJournal {
  step(name: string, effect: () => Promise<null>): Promise<null>
}

/** What reconcile tells the pools; each may be told again, the first time counts. `createPools` of operations/ satisfies it. */
export interface PoolVerdicts {
  declareHealthy(pool: string, revision: number, nodes: number): Promise<void>
  /** @param rollbackTo null: the pool is paused for a person. */
  failRollout(pool: string, revision: number, reason: string, rollbackTo: number | null): Promise<void>
  declareEmpty(pool: string): void
}

/** A finished image on the appliance's disk. */
export type BakedImage = { manifest: ImageManifest; folder: string }

/** What executing a plan may touch. Everything comes in here; nothing is module state. */
export type Effects = {
  applianceId: string
  hypervisors: ReadonlyMap<string, Hypervisor>
  image(digest: Digest): Promise<BakedImage>
  /** The CI server at which this node is, or is to be, enrolled; undefined when it is not connected any more. */
  ciOf(node: NodeRecord): CiConnector | undefined
  nodes: NodeRegistry
  /** What the heartbeat's answer tells a node of its CI server. In memory only: secrets stay off the disk, and enrolling again gives the same. */
  enrolments: Map<string, CiEnrolment>
  /** The bytes of a node's `node.json`, with a one-time token that is good until the node ends. */
  nodeJson(node: { name: string; pool: string }): Promise<string>
  events: EventSink
  verdicts: PoolVerdicts
  journal: StepJournal
  clock: Clock
  signal: AbortSignal
}

export type ReconcilerDeps = Omit<Effects, 'ciOf' | 'signal'> & {
  /** All pools as they are desired now. */
  pools(): readonly PoolRecord[]
  ci: ReadonlyMap<string, CiConnector>
  log: Log
  /** Milliseconds between two looks at a pool: while something moves, and at rest. Default 2 s and 15 s. */
  intervals?: { moving: number; resting: number }
}
