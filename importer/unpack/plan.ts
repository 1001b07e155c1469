import { hexOf, type Digest } from '../../appliance/core/digest.ts'
import { blobsBrought, entriesOf } from '../../bundles/format/brought.ts'
import { BLOBS, CHUNKS } from '../../bundles/format/index-line.ts'
import { partBytes, type Chunk, type Copy } from '../../bundles/format/item.ts'
import type { Manifest } from '../../bundles/format/manifest.ts'
import type { VerifiedIndex } from '../../bundles/format/verified.ts'

/**
 * Where a part goes: `count` times, one after the other, from `offset` of the blob on. `whole` is the size of the blob, when its parts are
 * all of it and come in their order in this volume: then its digest can be found out in the same pass.
 */
export type Target = { blob: Digest; offset: number; count: number; whole?: number }
/**
 * One entry of a volume and what becomes of it: kept whole, written into blobs as a piece, unfolded into them as a chunk of that
 * content, or (neither) only checked.
 */
export type Planned = { name: string; size: number; keep: boolean; content?: Chunk['content']; targets: Target[] }

/** Whether compressed chunks stay beside what they unfold to: a volume that is lost is rebuilt from the bytes of the others as they stood in them. */
export function framesKept({ volumes, parity }: Manifest): boolean {
  return parity !== undefined && volumes.length > 1
}

/** What the volume holds, in its order; what the store holds already is checked but not written. */
export function planOf(manifest: Manifest, index: VerifiedIndex, volume: number, holds: (digest: Digest) => boolean): Planned[] {
  const targets = new Map<string, Target[]>()
  const contents = new Map<string, Chunk['content']>()
  const brought = blobsBrought(index)
  for (const [blob, { parts }] of brought) {
    if (parts === undefined || holds(blob)) continue
    let offset = 0
    for (const part of parts) {
      const size = partBytes(part)
      if ('entry' in part) {
        const all = targets.get(part.entry) ?? []
        const last = all.at(-1)
        if (last?.blob === blob && last.offset + last.count * size === offset) last.count++
        else all.push({ blob, offset, count: 1 })
        targets.set(part.entry, all)
        if ('content' in part) contents.set(part.entry, part.content)
      }
      offset += size
    }
  }
  const entries = entriesOf(index, volume)
  markWhole(brought, entries, targets, contents)
  return entries.map(({ name, size, digest }) => {
    const content = contents.get(name)
    return { name, size, keep: (name.startsWith(BLOBS) && !holds(digest)) || (name.startsWith(CHUNKS) && framesKept(manifest)), ...(content === undefined ? {} : { content }), targets: targets.get(name) ?? [] }
  })
}

/** A blob of which something is copied, or comes in another volume, or comes again later, is read once more by the parent instead. */
function markWhole(brought: ReadonlyMap<Digest, { size: number }>, entries: readonly { name: string; size: number }[], targets: ReadonlyMap<string, Target[]>, contents: ReadonlyMap<string, Chunk['content']>): void {
  const reached = new Map<Digest, number>()
  for (const { name, size } of entries) {
    for (const { blob, offset, count } of targets.get(name) ?? []) {
      if ((reached.get(blob) ?? 0) === offset) reached.set(blob, offset + count * (contents.get(name)?.size ?? size))
    }
  }
  for (const target of [...targets.values()].flat()) {
    const { size } = brought.get(target.blob)!
    if (reached.get(target.blob) === size) target.whole = size
  }
}

/** Bytes that the plan writes. */
export function bytesWritten(plan: readonly Planned[]): number {
  return plan.reduce((sum, { size, keep, content, targets }) => sum + (keep ? size : 0) + targets.reduce((times, { count }) => times + count, 0) * (content?.size ?? size), 0)
}

/** One line for the confined process: `NAME SIZE KEEP CONTENT [HEX@OFFSET*COUNT[=WHOLE] …]`, CONTENT being `-` or `SIZE:HEX` of what a chunk unfolds to. */
export function planLine({ name, size, keep, content, targets }: Planned): string {
  const unfolds = content === undefined ? '-' : `${content.size}:${hexOf(content.digest)}`
  return `${[name, size, keep ? 1 : 0, unfolds, ...targets.map(({ blob, offset, count, whole }) => `${hexOf(blob)}@${offset}*${count}${whole === undefined ? '' : `=${whole}`}`)].join(' ')}\n`
}

/** Bytes that are copied from blobs that the store holds. */
export function bytesCopied(index: VerifiedIndex, holds: (digest: Digest) => boolean): number {
  return copiesOf(index, holds).values().reduce((sum, copies) => sum + copies.reduce((bytes, { size }) => bytes + size, 0), 0)
}

/** What is copied into a blob from one that the store holds: `size` bytes at `offset` of `from` go to `to`. */
export type Copying = Copy & { to: number }

/** For each blob that is made of parts and not here yet: what of it no volume brings. */
export function copiesOf(index: VerifiedIndex, holds: (digest: Digest) => boolean): Map<Digest, Copying[]> {
  const copies = new Map<Digest, Copying[]>()
  for (const [blob, { parts }] of blobsBrought(index)) {
    if (parts === undefined || holds(blob)) continue
    let to = 0
    const mine: Copying[] = []
    for (const part of parts) {
      if ('from' in part) mine.push({ ...part, to })
      to += partBytes(part)
    }
    if (mine.length > 0) copies.set(blob, mine)
  }
  return copies
}

/** A blob that is being joined from parts lies beside the finished ones under this name, until its whole digest was checked. */
export function joiningName(hex: string): string {
  return `${hex}.joining`
}

/** What of an entry stays as it stood in the volume lies in the staging folder under this name: a blob, or a chunk, whose bytes may be those of a blob. */
export function keptName(entry: string): string {
  return `${entry.slice(-64)}${entry.startsWith(CHUNKS) ? '.frame' : ''}`
}
