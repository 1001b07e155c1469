import type { Digest } from '../core/digest.ts'
import type { CiNodeStatus } from './ci-connector.ts'
import type { ObservedVm, Ownership } from './hypervisor.ts'
import type { NodeRecord } from './node.ts'
import type { PoolSpec } from './pool.ts'

/** What a revision needs to be compared with what runs: its image and the layers a guest must report, lowest first. */
export type PlannedRevision = {
  revision: number
  fence: number
  spec: PoolSpec
  specDigest: string | null
  /** The operation that made it the target; its events carry it. */
  operation: string | null
  image: Digest
  layers: readonly string[]
  verifyCount: number
  /** Other revisions whose nodes are the same as this one's (image, hardware, labels): after a rollback those that are left stay. */
  alike: readonly number[]
  /** It was found to be bad: nothing more is built of it. */
  failed: boolean
}

/** Everything the planner may look at. Times in milliseconds since 1970, spans in milliseconds. Pure data, so that a plan can be replayed. */
export type PlanInput = {
  now: number
  applianceId: string
  pool: string
  /** The pool's fence. A VM with a higher one is from a future this appliance does not know (a restored backup) and is left alone. */
  fence: number
  paused: boolean
  deleting: boolean
  target: PlannedRevision | null
  lastHealthy: number | null
  /** Without those that are `gone`. */
  nodes: readonly NodeRecord[]
  /** Nodes of the target's revision and fence that failed and are gone. */
  failures: readonly { at: number; failure: string }[]
  /** Failures before this do not count against the target: a person resumed the pool. */
  failuresSince: number
  /** Since when heartbeats could be received and the CI server has answered without a break: silence is only counted from here. */
  watchingSince: number
  vms: readonly (ObservedVm & { hypervisor: string })[]
  /** null: the CI server could not be asked, so nothing is known and nobody is idle. */
  ci: readonly CiNodeStatus[] | null
  quietWindow: number
  /** Hypervisors that are connected. A VM on one that did not answer is unknown, never gone. */
  hypervisors: readonly { name: string; reachable: boolean; freeMemoryMiB: number }[]
}

/** One thing to do. Execution decides nothing: each is one idempotent effect. A plan holds at most one step a node. */
export type Step =
  /** Takes a name and makes the record; the machine comes with boot-node. */
  | { kind: 'create-node'; hypervisor: string }
  | { kind: 'boot-node'; node: string; hypervisor: string }
  /** A machine of ours without a record that fits gets one, so that it ends as every other node does. */
  | { kind: 'adopt-vm'; node: string; hypervisor: string; ownership: Ownership; image: Digest }
  | { kind: 'enrol-ci'; node: string }
  | { kind: 'quiesce-node'; node: string; reason: string }
  | { kind: 'resume-node'; node: string }
  /** Out of the CI server. */
  | { kind: 'remove-node'; node: string; reason: string }
  | { kind: 'destroy-vm'; node: string; hypervisor: string; ownership: Ownership; reason: string }
  | { kind: 'set-phase'; node: string; phase: NodeRecord['phase']; failure?: string }
  | { kind: 'declare-healthy'; revision: number; nodes: number }
  /** A pool that is being deleted has neither node nor machine left. */
  | { kind: 'declare-empty' }
  | { kind: 'fail-rollout'; revision: number; reason: string; rollbackTo: number | null }

/** A step that is held back, and what it waits for, in words. */
export type Wait = { node: string | null; on: string }

export type PlanCounts = { ready: number; new: number; old: number; draining: number; size: number }

export type Plan = {
  pool: string
  revision: number | null
  /** What boot-node and enrol-ci build. */
  target: PlannedRevision | null
  steps: Step[]
  waits: Wait[]
  /** `63/90 new · 9 draining · 18 old`: new are the ready ones of the target, old those of other revisions that do not drain yet. */
  counts: PlanCounts
}
