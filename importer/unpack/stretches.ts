import { BLOCK_BYTES, padding } from '../../bundles/archive/index.ts'
import type { Planned } from './plan.ts'

/** A stretch of a volume's payload for one confined process: it begins at this byte of the payload; the last one also reads the end of the archive. */
export type Stretch = { offset: number; plan: Planned[]; last: boolean }

/** Below this many bytes starting a second process costs more than it brings. */
const WORTH_BYTES = 64 * 1024 * 1024
/** Below this average making the files is what takes long, and two processes that make them in one folder wait for each other. */
const WORTH_ENTRY_BYTES = 32 * 1024
/** The smaller half of what is cut in two is at least this share of it. */
const LEAST_SHARE = 0.2

/**
 * Cuts a plan in two at about the middle of its bytes, so that two processors hash. A header has one possible length, so where each entry begins
 * is known from the signed index alone. No blob that is joined from parts is cut: each process finds out the digests of its own.
 */
export function inTwo(plan: readonly Planned[]): Stretch[] {
  const total = plan.reduce((sum, entry) => sum + lengthOf(entry), 0)
  const whole: Stretch = { offset: 0, plan: [...plan], last: true }
  if (total < WORTH_BYTES || total < plan.length * WORTH_ENTRY_BYTES) return [whole]
  const lastPart = new Map<string, number>()
  plan.forEach(({ targets }, k) => targets.forEach(({ blob }) => lastPart.set(blob, k)))
  let best: { entries: number; offset: number } | undefined
  let offset = 0
  let joinedUntil = -1
  for (const [k, entry] of plan.entries()) {
    const isBetter = Math.abs(offset - total / 2) < Math.abs((best?.offset ?? 0) - total / 2)
    if (k > joinedUntil && isBetter) best = { entries: k, offset }
    offset += lengthOf(entry)
    joinedUntil = entry.targets.reduce((most, { blob }) => Math.max(most, lastPart.get(blob)!), joinedUntil)
  }
  if (best === undefined || Math.min(best.offset, total - best.offset) < LEAST_SHARE * total) return [whole]
  return [{ offset: 0, plan: plan.slice(0, best.entries), last: false }, { offset: best.offset, plan: plan.slice(best.entries), last: true }]
}

function lengthOf({ size }: Planned): number {
  return BLOCK_BYTES + size + padding(size)
}
