import type { DatabaseSync } from 'node:sqlite'
import type { NodeRecord, NodeRegistry } from '../model/node.ts'
import { transaction } from './history.ts'

export function nodeRegistry(database: DatabaseSync): NodeRegistry {
  const take = database.prepare('INSERT INTO node_numbers (prefix, next) VALUES (?, 1 + ?) ON CONFLICT (prefix) DO UPDATE SET next = next + ? RETURNING next')
  const one = database.prepare('SELECT record FROM nodes WHERE name = ?')
  const some = database.prepare("SELECT record FROM nodes WHERE (?1 IS NULL OR pool = ?1) AND (?2 = 1 OR phase <> 'gone') ORDER BY rowid")
  const put = database.prepare('INSERT INTO nodes (name, pool, phase, record) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET pool = excluded.pool, phase = excluded.phase, record = excluded.record')
  return {
    allocate(prefix, count) {
      const next = transaction(database, () => Number(take.get(prefix, count, count)?.['next']))
      return Array.from({ length: count }, (_, index) => `${prefix}-${next - count + index}`)
    },
    get(name) {
      const row = one.get(name)
      return row === undefined ? undefined : (JSON.parse(String(row['record'])) as NodeRecord)
    },
    list(pool, options) {
      return some.all(pool ?? null, options?.gone === true ? 1 : 0).map(row => JSON.parse(String(row['record'])) as NodeRecord)
    },
    put(node) {
      put.run(node.name, node.pool, node.phase, JSON.stringify(node))
    },
  }
}
