import type { PlanInput, PlannedRevision } from '../model/plan.ts'
import { BORNE_FAILURES, BORNE_FAILURES_SHARE, REPLACE_PAUSE_FIRST_MS, REPLACE_PAUSE_LAST_MS } from './limits.ts'
import { LOST } from './node-life.ts'
import type { RolloutPolicy } from './rollout-policy.ts'
import type { SeenPool } from './seen-node.ts'

type Failure = { at: number; failure: string }

/** Failures of the target's nodes that speak about the image, oldest first. What a person resumed over is forgiven. */
export function failuresOf(input: PlanInput, target: PlannedRevision): Failure[] {
  const standing = input.nodes.flatMap(node => (node.fence === target.fence && node.revision === target.revision && node.failure !== null ? [{ at: node.failedAt ?? node.phaseSince, failure: node.failure }] : []))
  return [...input.failures, ...standing].filter(({ at, failure }) => at >= input.failuresSince && !failure.startsWith(LOST)).toSorted((a, b) => a.at - b.at)
}

/** Why the rollout has failed, or null. While canaries stand for the others, one failure is enough. */
export function verdict(input: PlanInput, target: PlannedRevision, policy: RolloutPolicy, canaries: boolean): { reason: string; rollbackTo: number | null } | null {
  if (input.lastHealthy === target.revision) return null
  const failures = failuresOf(input, target)
  const borne = canaries ? 0 : Math.max(BORNE_FAILURES, Math.ceil(target.spec.size * BORNE_FAILURES_SHARE))
  const latest = failures.at(-1)
  if (latest === undefined || failures.length <= borne) return null
  const count = failures.length === 1 ? 'a node' : `${failures.length} nodes`
  return {
    reason: `${count} of revision ${target.revision} failed${canaries ? ' as canary' : ` (${borne} are borne)`}: ${latest.failure}`,
    rollbackTo: policy.onFailure === 'rollback' ? input.lastHealthy : null,
  }
}

/** In a healthy pool a broken rack must not eat names: each failure in a row doubles the pause. @returns milliseconds left, 0 for none. */
export function replacePause(input: PlanInput, target: PlannedRevision, seen: SeenPool): number {
  if (input.lastHealthy !== target.revision) return 0
  const recovered = Math.max(0, ...seen.nodes.flatMap(node => (node.current && node.ready ? [node.record.phaseSince] : [])))
  const row = failuresOf(input, target).filter(failure => failure.at > recovered)
  const latest = row.at(-1)
  if (latest === undefined) return 0
  const pause = Math.min(REPLACE_PAUSE_LAST_MS, REPLACE_PAUSE_FIRST_MS * 2 ** (row.length - 1))
  return Math.max(0, latest.at + pause - input.now)
}
