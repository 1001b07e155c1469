import type { Digest } from '../../appliance/core/digest.ts'
import type { Index } from './index-file.ts'
import { BLOBS, type PayloadEntry } from './index-line.ts'
import { itemKey, type ItemBlob } from './item.ts'
import type { Manifest } from './manifest.ts'
import { parityEntries } from './parity.ts'

/** A blob that a bundle brings: whole, or as the pieces that it is joined from. Size in bytes. */
export type BroughtBlob = { size: number; parts?: NonNullable<ItemBlob['parts']> }

/** Every blob that this bundle brings, each once, in no order that matters. */
export function blobsBrought(index: Index): Map<Digest, BroughtBlob> {
  const brought = new Map<Digest, BroughtBlob>()
  for (const entry of index.entries) if (entry.name.startsWith(BLOBS)) brought.set(entry.digest, { size: entry.size })
  for (const item of index.items) {
    for (const { digest, size, parts } of item.blobs) if (parts !== undefined) brought.set(digest, { size, parts })
  }
  return brought
}

/** Blobs that items need and that this bundle does not bring: the receiver must hold them already (deltas). */
export function blobsNotBrought(index: Index): Map<Digest, string> {
  const brought = blobsBrought(index)
  const absent = new Map<Digest, string>()
  for (const item of index.items) {
    for (const blob of item.blobs) if (!brought.has(blob.digest)) absent.set(blob.digest, itemKey(item))
  }
  return absent
}

/** The payload of one volume, in its order. Volumes count from 1. */
export function entriesOf(index: Index, volume: number): PayloadEntry[] {
  return index.entries.filter(entry => entry.volume === volume)
}

/** The entries of any volume of a set: parity volumes count on after the last one. */
export function entriesOfAny(manifest: Manifest, index: Index, volume: number): PayloadEntry[] {
  return volume > manifest.volumes.length ? parityEntries(manifest, volume) : entriesOf(index, volume)
}
