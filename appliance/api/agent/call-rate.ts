import { DrydockError } from '../../core/error.ts'

/** Calls that a node may make at once, and how many come back each second: an agent makes one in ten seconds, and a few when something changed. */
const BURST = 60
const PER_SECOND = 3
/** Nodes that are remembered; more than any appliance has. */
const NODES = 50_000

/**
 * Each heartbeat is written to the disk and may wake reconcile, so a guest that sends thousands must not slow down all others.
 * @returns counts one call of a node. @throws DD-AGENT-004
 */
export function callRate(milliseconds: () => number = () => performance.now()): (node: string) => void {
  const buckets = new Map<string, { left: number; at: number }>()
  return node => {
    const now = milliseconds()
    const before = buckets.get(node)
    const left = before === undefined ? BURST : Math.min(BURST, before.left + ((now - before.at) / 1000) * PER_SECOND)
    if (buckets.size >= NODES) buckets.clear()
    buckets.set(node, { left: Math.max(0, left - 1), at: now })
    if (left < 1) throw new DrydockError('DD-AGENT-004', `expected at most ${PER_SECOND} calls a second of a node, found more`, 'wait 2 s and try again')
  }
}
