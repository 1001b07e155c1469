import { hexOf } from '../../appliance/core/digest.ts'
import type { Index } from '../format/index-file.ts'
import { BLOBS } from '../format/index-line.ts'
import { ITEM_KINDS, itemKey, type Item, type ItemBlob, type ItemKind } from '../format/item.ts'

/** Bytes of all its blobs, and bytes of the payload that are in this bundle for it: what several items share travels with the first. */
export type PackedItem = { key: string; item: Item; bytes: number; travels: number }
export type PackedKind = { kind: ItemKind; items: number; bytes: number; travels: number }
/** How many blobs travel in which way; `held` ones the receiver has already. */
export type Ways = { whole: number; pieces: number; chunks: number; held: number }
export type PackingList = { items: PackedItem[]; kinds: PackedKind[]; ways: Ways }

/** What is in the box, as the index tells it. Pure; items stay in the order of their keys. */
export function packingList(index: Index): PackingList {
  const sizes = new Map(index.entries.map(({ name, size }) => [name, size]))
  const packed = new Set<string>()
  const seen = new Map<string, keyof Ways>()
  const items = index.items.map((item): PackedItem => {
    let travels = 0
    for (const blob of item.blobs) {
      const names = entriesOfBlob(blob).filter(name => sizes.has(name))
      for (const name of names) if (!packed.has(name)) travels += sizes.get(name)!
      for (const name of names) packed.add(name)
      seen.set(blob.digest, wayOf(blob, names))
    }
    return { key: itemKey(item), item, bytes: bytesOfItem(item), travels }
  })
  const ways: Ways = { whole: 0, pieces: 0, chunks: 0, held: 0 }
  for (const way of seen.values()) ways[way]++
  return { items, kinds: kindsOf(items), ways }
}

/** Each blob once: an image names a layer as often as it uses it. */
export function bytesOfItem(item: Item): number {
  return [...new Map(item.blobs.map(({ digest, size }) => [digest, size])).values()].reduce((sum, size) => sum + size, 0)
}

function entriesOfBlob({ digest, parts }: ItemBlob): string[] {
  return parts === undefined ? [`${BLOBS}${hexOf(digest)}`] : [...new Set(parts.flatMap(part => ('entry' in part ? [part.entry] : [])))]
}

function wayOf({ parts }: ItemBlob, names: readonly string[]): keyof Ways {
  if (parts === undefined) return names.length === 0 ? 'held' : 'whole'
  return parts.every(part => 'entry' in part && !('content' in part)) ? 'pieces' : 'chunks'
}

function kindsOf(items: readonly PackedItem[]): PackedKind[] {
  return ITEM_KINDS.flatMap(kind => {
    const mine = items.filter(({ item }) => item.kind === kind)
    return mine.length === 0 ? [] : [{ kind, items: mine.length, bytes: sum(mine, 'bytes'), travels: sum(mine, 'travels') }]
  })
}

function sum(items: readonly PackedItem[], field: 'bytes' | 'travels'): number {
  return items.reduce((total, item) => total + item[field], 0)
}
