/** Fewer equal bytes than this are not worth a part of their own: it costs an entry of a tar and two lines of an index. */
const LEAST_BYTES = 4096
/** Looked at in steps of what file systems write at the least. */
const STEP_BYTES = 512

/** Where the bytes from `from` to `to` are the same in both. */
export type Stretch = { same: boolean; from: number; to: number }

/**
 * What is still in its place after something was written over a part of it. The stretches follow each other and cover all of `after`;
 * those that differ begin and end at a step.
 */
export function samePlaces(before: Buffer, after: Buffer): Stretch[] {
  const stretches: Stretch[] = []
  const add = (same: boolean, from: number, to: number): void => {
    const last = stretches.at(-1)
    if (last?.same === same) last.to = to
    else stretches.push({ same, from, to })
  }
  for (let from = 0; from < after.length; from += STEP_BYTES) {
    const to = Math.min(from + STEP_BYTES, after.length)
    add(to <= before.length && before.compare(after, from, to, from, to) === 0, from, to)
  }
  const worth: Stretch[] = []
  for (const { same, from, to } of stretches) {
    const counts = same && to - from >= LEAST_BYTES
    const last = worth.at(-1)
    if (last?.same === counts) last.to = to
    else worth.push({ same: counts, from, to })
  }
  return worth
}
