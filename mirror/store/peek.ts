import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import type { Item, ItemKind } from '../../bundles/format/item.ts'
import { OPEN_END } from './schema.ts'
import { itemOf } from './view.ts'

/** Items of one name in the newest generation, read beside an appliance that may run; for `drydock doctor`, which changes nothing. */
export function peekItems(dataDir: string, kind: ItemKind, name: string): Item[] {
  const catalogue = join(dataDir, 'db', 'catalogue.sqlite')
  // Made by the first `up`: before that nothing can have come in.
  if (!existsSync(catalogue)) return []
  const database = new DatabaseSync(catalogue, { readOnly: true, timeout: 2000 })
  try {
    return database.prepare('SELECT document FROM items WHERE kind = ? AND name = ? AND to_generation = ?').all(kind, name, OPEN_END).map(itemOf)
  } finally {
    database.close()
  }
}
