import { hexOf, type Digest } from '../../appliance/core/digest.ts'
import { blobsBrought, entriesOf } from '../../bundles/format/brought.ts'
import { PIECES } from '../../bundles/format/index-line.ts'
import type { VerifiedIndex } from '../../bundles/format/verified.ts'

/** Where a piece goes: at `offset` of the blob that it is a part of. */
export type Target = { blob: Digest; offset: number }
/** One entry of a volume and what becomes of it: kept whole, written into blobs as a piece, or (neither) only checked. */
export type Planned = { name: string; size: number; keep: boolean; targets: Target[] }

/** What the volume holds, in its order; what the store holds already is checked but not written. */
export function planOf(index: VerifiedIndex, volume: number, holds: (digest: Digest) => boolean): Planned[] {
  const targets = new Map<string, Target[]>()
  for (const [blob, { parts }] of blobsBrought(index)) {
    if (parts === undefined || holds(blob)) continue
    let offset = 0
    for (const part of parts) {
      const all = targets.get(part.entry) ?? []
      all.push({ blob, offset })
      targets.set(part.entry, all)
      offset += part.size
    }
  }
  return entriesOf(index, volume).map(({ name, size, digest }) => ({ name, size, keep: !name.startsWith(PIECES) && !holds(digest), targets: targets.get(name) ?? [] }))
}

/** Bytes that the plan writes. */
export function bytesWritten(plan: readonly Planned[]): number {
  return plan.reduce((sum, { size, keep, targets }) => sum + size * (keep ? 1 : targets.length), 0)
}

/** One line for the confined process: `NAME SIZE KEEP [HEX@OFFSET …]`. */
export function planLine({ name, size, keep, targets }: Planned): string {
  return `${[name, size, keep ? 1 : 0, ...targets.map(({ blob, offset }) => `${hexOf(blob)}@${offset}`)].join(' ')}\n`
}

/** A blob that is being joined from pieces lies beside the finished ones under this name, until its whole digest was checked. */
export function joiningName(hex: string): string {
  return `${hex}.joining`
}
