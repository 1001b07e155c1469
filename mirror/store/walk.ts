import type { DatabaseSync } from 'node:sqlite'
import { parseDigest, type Digest } from '../../appliance/core/digest.ts'
import type { Item } from '../../bundles/format/item.ts'
import { itemOf } from './view.ts'

/** Items of `generation` that were not there, or not so, in `since`; with `since` 0 everything that is in it. */
export type Range = { generation: number; since: number }

/** Every blob of a generation once, in pages, so that whoever looks at each of them holds a page and no more. */
export type Walk = {
  /** How many different blobs there are behind this one; null: all of them. */
  count(range: Range, after: Digest | null): number
  /** In the order of their digests; `after` is the last one of the page before, null for the first page. */
  page(range: Range, after: Digest | null, limit: number): Digest[]
  /** Items of the range that have this blob, at most `limit`. */
  holders(range: Range, digest: Digest, limit: number): Item[]
  /** The operations (imports) whose generations brought an item with this blob, the first one first. */
  bringers(digest: Digest): string[]
}

export function walkOf(database: DatabaseSync): Walk {
  const inRange = 'items.from_generation > :since AND items.from_generation <= :generation AND items.to_generation > :generation'
  const joined = 'item_blobs JOIN items ON items.id = item_blobs.item'
  const count = database.prepare(`SELECT count(DISTINCT digest) AS blobs FROM ${joined} WHERE digest > :after AND ${inRange}`)
  // The primary key of item_blobs begins with the digest, so a page costs what it holds.
  const page = database.prepare(`SELECT DISTINCT digest FROM ${joined} WHERE digest > :after AND ${inRange} ORDER BY digest LIMIT :limit`)
  const holders = database.prepare(`SELECT document FROM ${joined} WHERE digest = :digest AND ${inRange} ORDER BY items.id LIMIT :limit`)
  const bringers = database.prepare(
    `SELECT DISTINCT operation FROM ${joined} JOIN generations ON generations.generation = items.from_generation WHERE digest = ? ORDER BY generations.generation`,
  )
  return {
    count: ({ generation, since }, after) => Number(count.get({ generation, since, after: after ?? '' })?.['blobs'] ?? 0),
    page: ({ generation, since }, after, limit) => page.all({ generation, since, after: after ?? '', limit }).map(row => parseDigest(String(row['digest']))),
    holders: ({ generation, since }, digest, limit) => holders.all({ generation, since, digest, limit }).map(itemOf),
    bringers: digest => bringers.all(digest).map(row => String(row['operation'])),
  }
}
