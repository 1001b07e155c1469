import type { DatabaseSync } from 'node:sqlite'
import { parseDigest, type Digest } from '../../appliance/core/digest.ts'
import { DrydockError } from '../../appliance/core/error.ts'
import { canonicalJson } from '../../bundles/format/canonical-json.ts'
import type { Item, ItemKind } from '../../bundles/format/item.ts'
import type { BlobStore } from './blobs.ts'
import type { Entry, MirrorFormat, RenderView } from './format.ts'
import { inTransaction, OPEN_END } from './schema.ts'

export type RenderedEntry = Entry & { kind: ItemKind; path: string }

/** Renders what the changes touch, every kind; the bytes are durable in the blob store when it returns, and nothing is published yet. */
export async function renderAll(formats: readonly MirrorFormat[], previous: RenderView, changes: ReadonlyMap<string, Item>, blobs: BlobStore): Promise<RenderedEntry[]> {
  const entries: RenderedEntry[] = []
  const batch = blobs.batch()
  try {
    for (const format of formats) {
      const ofKind = [...changes.values()].filter(item => item.kind === format.kind)
      if (ofKind.length === 0) continue
      for await (const rendered of format.render(previous, ofKind)) {
        const ours = 'bytes' in rendered
        const digest = ours ? await batch.put(rendered.bytes) : rendered.digest
        entries.push({ kind: format.kind, path: rendered.path, digest, mediaType: rendered.mediaType, immutable: rendered.immutable ?? false, ours })
      }
    }
    await batch.commit()
    return entries
  } finally {
    await batch.discard()
  }
}

export type Publication = { generation: number; at: string; operation: string; changes: ReadonlyMap<string, Item>; replaced: ReadonlySet<string>; entries: readonly RenderedEntry[]; stamps: Record<string, string> }

/**
 * What clients were told to keep for ever must stay: two items may not claim one such path with different bytes, now or later.
 * @throws DD-MIRROR-001 naming the path
 */
export function refuseOtherBytes(entries: readonly RenderedEntry[], served: (kind: ItemKind, path: string) => Entry | undefined): void {
  const seen = new Map<string, Digest>()
  for (const entry of entries.filter(entry => entry.immutable)) {
    const before = seen.get(`${entry.kind} ${entry.path}`) ?? served(entry.kind, entry.path)?.digest
    if (before !== undefined && before !== entry.digest) {
      throw new DrydockError('DD-MIRROR-001', `expected ${entry.kind} ${entry.path} with the bytes that the mirrors hold (${before}), found ${entry.digest}`, 'find out which of the two is right; a changed package needs a new version')
    }
    seen.set(`${entry.kind} ${entry.path}`, entry.digest)
  }
}

/** Makes the generation exist, all kinds at once: one transaction, one fsync. Every blob it names must be durable by now. */
export function publish(database: DatabaseSync, publication: Publication): void {
  const { generation } = publication
  inTransaction(database, () => {
    const counts = JSON.parse(String(database.prepare('SELECT counts FROM generations WHERE generation = ?').get(generation - 1)?.['counts'])) as Record<string, number>
    const endItem = database.prepare('UPDATE items SET to_generation = ? WHERE key = ? AND to_generation = ?')
    const addItem = database.prepare('INSERT INTO items (key, kind, name, from_generation, to_generation, document) VALUES (?, ?, ?, ?, ?, ?)')
    const addBlob = database.prepare('INSERT OR IGNORE INTO item_blobs (digest, item) VALUES (?, ?)')
    for (const [key, item] of publication.changes) {
      if (publication.replaced.has(key)) endItem.run(generation, key, OPEN_END)
      const { lastInsertRowid: id } = addItem.run(key, item.kind, item.name, generation, OPEN_END, canonicalJson(item))
      for (const digest of digestsOf(item)) addBlob.run(digest, id)
      if (!publication.replaced.has(key)) counts[item.kind] = (counts[item.kind] ?? 0) + 1
    }
    const here = database.prepare('SELECT digest, media_type, immutable, ours FROM rendered WHERE kind = ? AND path = ? AND to_generation = ?')
    const endEntry = database.prepare('UPDATE rendered SET to_generation = ? WHERE kind = ? AND path = ? AND to_generation = ?')
    const addEntry = database.prepare('INSERT OR REPLACE INTO rendered VALUES (?, ?, ?, ?, ?, ?, ?, ?)')
    for (const entry of publication.entries) {
      const row = here.get(entry.kind, entry.path, OPEN_END)
      const same = row !== undefined && row['digest'] === entry.digest && row['media_type'] === entry.mediaType && row['immutable'] === Number(entry.immutable) && row['ours'] === Number(entry.ours)
      if (same) continue
      if (row !== undefined) endEntry.run(generation, entry.kind, entry.path, OPEN_END)
      addEntry.run(entry.kind, entry.path, generation, OPEN_END, entry.digest, entry.mediaType, Number(entry.immutable), Number(entry.ours))
    }
    database.prepare('INSERT INTO generations VALUES (?, ?, ?, ?, ?)').run(generation, publication.at, publication.operation, canonicalJson(counts), canonicalJson(publication.stamps))
  })
}

export function digestsOf(item: Item): Set<Digest> {
  return new Set(item.blobs.map(blob => parseDigest(blob.digest)))
}
