import type { Digest } from '../core/digest.ts'
import type { CiNodeStatus } from './ci-connector.ts'
import type { ObservedVm } from './hypervisor.ts'
import type { NodeRecord } from './node.ts'
import type { PoolSpec } from './pool.ts'

/** What a revision needs to be compared with what runs: its image and the layers a guest must report. */
export type PlannedRevision = { revision: number; fence: number; spec: PoolSpec; image: Digest; layers: readonly string[]; verifyCount: number }

/** Everything the planner may look at. `now` in milliseconds since 1970. Pure data, so that a plan can be replayed. */
export type PlanInput = {
  now: number
  applianceId: string
  pool: string
  paused: boolean
  deleting: boolean
  target: PlannedRevision | null
  lastHealthy: number | null
  nodes: readonly NodeRecord[]
  vms: readonly (ObservedVm & { hypervisor: string })[]
  /** null: the CI server could not be asked, so nothing is known and nobody is idle. */
  ci: readonly CiNodeStatus[] | null
  quietWindow: number
  /** Hypervisors of the pool that answered. A VM on one that did not answer is unknown, never gone. */
  hypervisors: readonly { name: string; reachable: boolean; freeMemoryMiB: number }[]
}

/** One thing to do. Execution decides nothing: each is one idempotent effect. */
export type Step =
  | { kind: 'create-node'; hypervisor: string }
  | { kind: 'boot-node'; node: string }
  | { kind: 'enrol-ci'; node: string }
  | { kind: 'quiesce-node'; node: string; reason: string }
  | { kind: 'resume-node'; node: string }
  | { kind: 'remove-node'; node: string; reason: string }
  | { kind: 'destroy-vm'; node: string; hypervisor: string; reason: string }
  | { kind: 'set-phase'; node: string; phase: NodeRecord['phase']; failure?: string }
  | { kind: 'declare-healthy'; revision: number }
  | { kind: 'fail-rollout'; revision: number; reason: string; rollbackTo: number | null }

/** A step that is held back, and what it waits for, in words. */
export type Wait = { node: string | null; on: string }

export type Plan = { pool: string; revision: number | null; steps: Step[]; waits: Wait[]; counts: { ready: number; new: number; old: number; draining: number; size: number } }
