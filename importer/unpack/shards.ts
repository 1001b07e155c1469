import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { digestFromHex, hexOf, type Digest } from '../../appliance/core/digest.ts'
import { blobsBrought, entriesOf } from '../../bundles/format/brought.ts'
import { BLOBS } from '../../bundles/format/index-line.ts'
import { partBytes } from '../../bundles/format/item.ts'
import type { Manifest } from '../../bundles/format/manifest.ts'
import { parityEntries } from '../../bundles/format/parity.ts'
import type { VerifiedIndex } from '../../bundles/format/verified.ts'
import type { Segment } from '../../bundles/parity/index.ts'
import { joiningName, keptName, type Planned } from './plan.ts'

/** A parity volume as the confined process takes it: its slices, one after the other, are joined to the shard. */
export function parityPlan(manifest: Manifest, volume: number): Planned[] {
  const shard = manifest.parity![volume - manifest.volumes.length - 1]!
  let at = 0
  return parityEntries(manifest, volume).map(({ name, size }) => {
    const target = { blob: shard.digest, offset: at, count: 1 }
    at += size
    return { name, size, keep: false, targets: [target] }
  })
}

/** Where a staged parity volume lies. Each slice was compared with its signed digest when it was written. */
export function parityPath(folder: string, manifest: Manifest, volume: number): string {
  return join(folder, joiningName(hexOf(manifest.parity![volume - manifest.volumes.length - 1]!.digest)))
}

/** What is asked of the store: whether it holds a blob, and where. */
export type Held = { has(digest: Digest): boolean; blobPath(digest: Digest): string }

/**
 * The contents of a volume that was staged, from where they are now: in the staging folder, or in the store, which held them already.
 * Compressed chunks were kept beside what they unfold to (`planOf`).
 */
export function segmentsStaged(index: VerifiedIndex, volume: number, folder: string, store: Held): Segment[] {
  const places = partPlaces(index)
  const pathOf = (blob: Digest): string => {
    if (store.has(blob)) return store.blobPath(blob)
    const joining = join(folder, joiningName(hexOf(blob)))
    return lstatSync(joining, { throwIfNoEntry: false }) === undefined ? join(folder, hexOf(blob)) : joining
  }
  return entriesOf(index, volume).map(({ name, size }) => {
    const place = places.get(name)
    if (place !== undefined) return { path: pathOf(place.blob), position: place.offset, length: size }
    return { path: name.startsWith(BLOBS) ? pathOf(digestFromHex(name.slice(-64))) : join(folder, keptName(name)), position: 0, length: size }
  })
}

/** For each piece one place in a blob where its bytes are. A chunk has none: only what it unfolds to is there. */
function partPlaces(index: VerifiedIndex): Map<string, { blob: Digest; offset: number }> {
  const places = new Map<string, { blob: Digest; offset: number }>()
  for (const [blob, { parts = [] }] of blobsBrought(index)) {
    let offset = 0
    for (const part of parts) {
      if ('entry' in part && !('content' in part)) places.set(part.entry, { blob, offset })
      offset += partBytes(part)
    }
  }
  return places
}
