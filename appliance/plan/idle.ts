import type { CiNodeStatus } from '../model/ci-connector.ts'
import type { NodeRecord } from '../model/node.ts'
import { FRESH_HEARTBEAT_MS } from './limits.ts'

/**
 * Idle needs two proofs, the CI server's (no jobs, and quiesced when it drains) and the node's own (a fresh heartbeat without jobs).
 *
 *     quiesced ──► both idle: idleSince = now ──► a later heartbeat says idle too, and the quiet window has passed ──► proven
 *                       │
 *                       └── a job, silence, or a CI server that does not answer: idleSince = null, begin again
 *
 * The later heartbeat is what a CI server that reports idle falsely cannot forge: it was sent after no new job could come.
 */

/** What `idleSince` becomes with this observation. `ci` is undefined when the server does not list the node, null when it did not answer. */
export function idleSince(node: NodeRecord, ci: CiNodeStatus | undefined | null, now: number): number | null {
  if (ci === null || node.heartbeat === null) return null
  if (now - node.heartbeat.at > FRESH_HEARTBEAT_MS) return null
  if (node.heartbeat.jobs.length > 0 || (ci?.jobs.length ?? 0) > 0) return null
  const draining = node.phase === 'draining' || node.phase === 'drained'
  if (draining && ci !== undefined && !ci.quiesced) return null
  return node.idleSince ?? now
}

/** True when both proofs have held without a break over the CI server's quiet window, and the node said so after the window began. */
export function isProvenIdle(node: NodeRecord, now: number, quietWindow: number): boolean {
  return node.idleSince !== null && now - node.idleSince >= quietWindow && node.heartbeat !== null && node.heartbeat.at > node.idleSince
}
