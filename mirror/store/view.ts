import type { DatabaseSync } from 'node:sqlite'
import type { Digest } from '../../appliance/core/digest.ts'
import { checkShape } from '../../bundles/format/check.ts'
import { Item, type ItemKind } from '../../bundles/format/item.ts'
import type { BlobStore } from './blobs.ts'
import type { Entry, RenderView } from './format.ts'

/** Answers are kept for this many paths; then it starts anew, which costs a few microseconds a path. */
const KEPT_LOOKUPS = 50_000

export type Lookup = (generation: number, kind: ItemKind, path: string) => Entry | undefined

export function itemOf(row: { document?: unknown }): Item {
  return checkShape(Item, JSON.parse(String(row.document)), 'catalogue item')
}

/** One prepared statement and a map over it: a row never changes for a generation that exists. */
export function lookupOf(database: DatabaseSync): Lookup {
  const statement = database.prepare(
    'SELECT digest, media_type, immutable, ours, to_generation FROM rendered WHERE kind = ? AND path = ? AND from_generation <= ? ORDER BY from_generation DESC LIMIT 1',
  )
  const kept = new Map<string, Entry>()
  return (generation, kind, path) => {
    const key = `${generation} ${kind} ${path}`
    const before = kept.get(key)
    if (before !== undefined) return before
    const row = statement.get(kind, path, generation)
    if (row === undefined || Number(row['to_generation']) <= generation) return undefined
    const entry = { digest: row['digest'] as Digest, mediaType: String(row['media_type']), immutable: row['immutable'] === 1, ours: row['ours'] === 1 }
    if (kept.size >= KEPT_LOOKUPS) kept.clear()
    kept.set(key, entry)
    return entry
  }
}

/** Views share these statements; `in` one generation is a range check, no copy. */
export function viewsOf(database: DatabaseSync, blobs: BlobStore, lookup: Lookup): (generation: number) => RenderView {
  const alive = 'from_generation <= ? AND to_generation > ?'
  const byKind = `SELECT document FROM items WHERE kind = ? AND ${alive} ORDER BY name, key`
  const byName = database.prepare(`SELECT document FROM items WHERE kind = ? AND name = ? AND ${alive} ORDER BY key`)
  const names = `SELECT DISTINCT name FROM items WHERE kind = ? AND ${alive} ORDER BY name`
  return generation => ({
    generation,
    *items(kind) {
      for (const row of database.prepare(byKind).iterate(kind, generation, generation)) yield itemOf(row)
    },
    find: (kind, name) => byName.all(kind, name, generation, generation).map(itemOf),
    *names(kind) {
      for (const row of database.prepare(names).iterate(kind, generation, generation)) yield String(row['name'])
    },
    async read(kind, path) {
      const entry = lookup(generation, kind, path)
      return entry === undefined ? undefined : await blobs.read(entry.digest)
    },
    blob: digest => blobs.read(digest),
  })
}
