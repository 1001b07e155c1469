import type { DatabaseSync } from 'node:sqlite'
import type { Clock } from '../../appliance/core/clock.ts'
import type { Digest } from '../../appliance/core/digest.ts'
import { DrydockError } from '../../appliance/core/error.ts'
import { itemKey, type Item, type ItemKind } from '../../bundles/format/item.ts'
import { normalisedName } from '../../bundles/format/pypi-name.ts'
import type { BlobStore } from './blobs.ts'
import { changesOf } from './changes.ts'
import type { CatalogueView, Entry, MirrorFormat } from './format.ts'
import { digestsOf, publish, refuseOtherBytes, renderAll } from './promote.ts'
import { OPEN_END } from './schema.ts'
import { itemOf, lookupOf, viewsOf } from './view.ts'
import { walkOf, type Walk } from './walk.ts'

export type Generation = { generation: number; at: string; operation: string; counts: Record<string, number>; current: boolean }

export type Catalogue = {
  current(): CatalogueView
  /** @throws DD-MIRROR-003 when there is no such generation. */
  at(generation: number): CatalogueView
  generations(): Generation[]
  has(generation: number): boolean
  /**
   * Makes generation N+1 from N and these items: renders what they touch, then publishes every kind at once. Idempotent by operation id;
   * a kill at any instruction leaves N or N+1. Two promotions at a time wait for each other.
   * @throws DD-MIRROR-001 when a key would come to mean other bytes, DD-MIRROR-002 when a blob is missing; nothing changes then
   */
  promote(change: { operation: string; items: readonly Item[] }): Promise<{ generation: number }>
  /**
   * After a change of the public address or the signing key: a generation with the same items, with the indexes of those formats rendered
   * anew whose stamp is another than it was. Makes none when all are the same.
   */
  renderAgain(change: { operation: string }): Promise<{ generation: number }>
  /** What is served at a path of a mirror. */
  lookup(generation: number, kind: ItemKind, path: string): Entry | undefined
  /** Items of the current generation whose name holds the text, ordered by name. */
  search(text: string, limit: number): Item[]
  /** What stands in `to` and did not, or differently, in `from`; both ways round by swapping them. */
  diff(from: number, to: number): { added: Item[]; changed: Item[]; removed: Item[] }
  /** In any generation, each document once, a Python project under all spellings of its name: what a recall of a name means. */
  everHeld(kind: ItemKind, name: string): Item[]
  /** Items of any generation that this blob is part of. */
  everHolding(digest: Digest): Item[]
  walk: Walk
  /** By the item's format; kinds that no mirror serves pass. @throws DD-MIRROR-004 */
  validate(item: Item): Promise<void>
}

export function openCatalogue(database: DatabaseSync, blobs: BlobStore, formats: readonly MirrorFormat[], clock: Clock): Catalogue {
  const lookup = lookupOf(database)
  const viewAt = viewsOf(database, blobs, lookup)
  const formatOf = (kind: ItemKind): MirrorFormat | undefined => formats.find(format => format.kind === kind)
  const newest = (): number => Number(database.prepare('SELECT max(generation) AS newest FROM generations').get()?.['newest'])
  const heldItem = database.prepare('SELECT document FROM items WHERE key = ? AND to_generation = ?')
  const held = (key: string): Item | undefined => {
    const row = heldItem.get(key, OPEN_END)
    return row === undefined ? undefined : itemOf(row)
  }
  // What came later may stand at the path of what came before, so rendering all of it keeps the order.
  const inOrderOfArrival = database.prepare('SELECT document FROM items WHERE to_generation = ? ORDER BY id')
  /** pip finds a project under every spelling of its name, so all that stand here are one. */
  const spellingsOf = (kind: ItemKind, name: string): string[] => {
    if (kind !== 'pypi') return [name]
    const names = database.prepare('SELECT DISTINCT name FROM items WHERE kind = ?').all(kind).map(row => String(row['name']))
    return names.filter(other => normalisedName(other) === normalisedName(name))
  }
  let current = newest()
  let queue: Promise<unknown> = Promise.resolve()

  const madeBy = (operation: string): number | undefined => {
    const row = database.prepare('SELECT generation FROM generations WHERE operation = ? AND generation > 0').get(operation)
    return row === undefined ? undefined : Number(row['generation'])
  }

  const next = async (operation: string, items: readonly Item[], again: readonly MirrorFormat[]): Promise<{ generation: number }> => {
    const before = madeBy(operation)
    if (before !== undefined) return { generation: before }
    for (const item of items) requireBlobs(item, blobs)
    const previous = viewAt(current)
    const { changes, replaced } = changesOf(items, held, formatOf)
    const touched = again.length === 0 ? changes : new Map(inOrderOfArrival.all(OPEN_END).map(itemOf).map(item => [itemKey(item), item]))
    const entries = await renderAll(again.length === 0 ? formats : again, previous, touched, blobs)
    refuseOtherBytes(entries, (kind, path) => lookup(current, kind, path))
    publish(database, { generation: current + 1, at: clock.now().toISOString(), operation, changes, replaced, entries, stamps })
    current += 1
    return { generation: current }
  }

  const stamps = Object.fromEntries(formats.map(format => [format.kind, format.stamp]))
  const stale = (): MirrorFormat[] => {
    const row = database.prepare('SELECT counts, stamps FROM generations WHERE generation = ?').get(current)
    const [counts, before] = [row?.['counts'], row?.['stamps']].map(text => JSON.parse(String(text)) as Record<string, unknown>)
    return formats.filter(format => counts?.[format.kind] !== undefined && before?.[format.kind] !== format.stamp)
  }

  const enqueue = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = queue.then(work)
    queue = mine.catch(() => undefined)
    return mine
  }

  const range = (generation: number): number => {
    if (Number.isSafeInteger(generation) && generation >= 0 && generation <= current) return generation
    throw new DrydockError('DD-MIRROR-003', `expected a generation from 0 to ${current}, found ${generation}`, 'drydock generation list shows those that are kept')
  }

  return {
    current: () => viewAt(current),
    at: generation => viewAt(range(generation)),
    has: generation => generation >= 0 && generation <= current,
    generations: () =>
      database.prepare('SELECT generation, at, operation, counts FROM generations ORDER BY generation').all().map(row => ({
        generation: Number(row['generation']),
        at: String(row['at']),
        operation: String(row['operation']),
        counts: JSON.parse(String(row['counts'])) as Record<string, number>,
        current: row['generation'] === current,
      })),
    promote: change => enqueue(() => next(change.operation, change.items, [])),
    renderAgain: change =>
      enqueue(async () => {
        const again = stale()
        return again.length === 0 ? { generation: current } : await next(change.operation, [], again)
      }),
    lookup,
    search(text, limit) {
      const pattern = `%${text.replaceAll(/[\\%_]/g, '\\$&')}%`
      return database.prepare(`SELECT document FROM items WHERE to_generation = ? AND name LIKE ? ESCAPE '\\' ORDER BY name, key LIMIT ?`).all(OPEN_END, pattern, limit).map(itemOf)
    },
    diff(from, to) {
      const only = database.prepare(
        `SELECT key, document FROM items WHERE from_generation <= :there AND to_generation > :there AND NOT (from_generation <= :elsewhere AND to_generation > :elsewhere) ORDER BY key`,
      )
      const [gone, here] = [[range(from), range(to)], [range(to), range(from)]].map(
        ([there, elsewhere]) => new Map(only.all({ there: there!, elsewhere: elsewhere! }).map(row => [String(row['key']), itemOf(row)])),
      ) as [Map<string, Item>, Map<string, Item>]
      const pick = (items: Map<string, Item>, other: Map<string, Item>, both: boolean): Item[] => [...items].filter(([key]) => other.has(key) === both).map(([, item]) => item)
      return { added: pick(here, gone, false), changed: pick(here, gone, true), removed: pick(gone, here, false) }
    },
    everHeld(kind, name) {
      const held = database.prepare('SELECT document FROM items WHERE kind = ? AND name = ? ORDER BY id')
      return spellingsOf(kind, name).flatMap(spelling => held.all(kind, spelling).map(itemOf))
    },
    everHolding: digest => database.prepare('SELECT document FROM items JOIN item_blobs ON item_blobs.item = items.id WHERE item_blobs.digest = ? ORDER BY items.id').all(digest).map(itemOf),
    walk: walkOf(database),
    async validate(item) {
      requireBlobs(item, blobs)
      await formatOf(item.kind)?.validate(item, blobs)
    },
  }
}

function requireBlobs(item: Item, blobs: BlobStore): void {
  for (const digest of digestsOf(item)) {
    if (!blobs.has(digest)) throw new DrydockError('DD-MIRROR-002', `expected every blob of ${itemKey(item)} in the store, found ${digest} missing`, 'import the bundle again, or ask the sender for a full one: a delta stands on blobs that are here')
  }
}
