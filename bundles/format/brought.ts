import type { Digest } from '../../appliance/core/digest.ts'
import type { Index } from './index-file.ts'
import { BLOBS, type PayloadEntry } from './index-line.ts'
import { itemKey, type ItemBlob } from './item.ts'
import type { Manifest } from './manifest.ts'
import { parityEntries } from './parity.ts'

/** A blob that a bundle brings: whole, or as the parts that it is joined from. Size in bytes, and an item that has it. */
export type BroughtBlob = { size: number; parts?: NonNullable<ItemBlob['parts']>; item?: string }

/** An index never changes once it is parsed, and each step of an import asks for this. */
const known = new WeakMap<Index, ReadonlyMap<Digest, BroughtBlob>>()

/** Every blob that this bundle brings, each once, in no order that matters. One that is all copies counts: it is made of what is there. */
export function blobsBrought(index: Index): ReadonlyMap<Digest, BroughtBlob> {
  const before = known.get(index)
  if (before !== undefined) return before
  const brought = new Map<Digest, BroughtBlob>()
  for (const entry of index.entries) if (entry.name.startsWith(BLOBS)) brought.set(entry.digest, { size: entry.size })
  for (const item of index.items) {
    for (const { digest, size, parts } of item.blobs) if (parts !== undefined && !brought.has(digest)) brought.set(digest, { size, parts, item: itemKey(item) })
  }
  known.set(index, brought)
  return brought
}

/** Blobs of a delta that the receiver must hold and does not, each with an item that needs it: its own, or one that copies from it. */
export function blobsMissing(index: Index, holds: (digest: Digest) => boolean): Map<Digest, string> {
  const brought = blobsBrought(index)
  const missing = new Map<Digest, string>()
  for (const item of index.items) {
    for (const blob of item.blobs) {
      if (holds(blob.digest)) continue
      if (!brought.has(blob.digest)) missing.set(blob.digest, itemKey(item))
      for (const part of blob.parts ?? []) if ('from' in part && !holds(part.from)) missing.set(part.from, itemKey(item))
    }
  }
  return missing
}

/** The payload of one volume, in its order. Volumes count from 1. */
export function entriesOf(index: Index, volume: number): PayloadEntry[] {
  return index.entries.filter(entry => entry.volume === volume)
}

/** The entries of any volume of a set: parity volumes count on after the last one. */
export function entriesOfAny(manifest: Manifest, index: Index, volume: number): PayloadEntry[] {
  return volume > manifest.volumes.length ? parityEntries(manifest, volume) : entriesOf(index, volume)
}
