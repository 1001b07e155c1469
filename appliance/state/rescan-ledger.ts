import type { DatabaseSync } from 'node:sqlite'
import type { RescanRecord } from '../../bundles/format/rescan-record.ts'

/** Looks through the store that are remembered. */
export const RESCANS_KEPT = 50

/** Looks through the store in db/history.sqlite, each one JSON document; satisfies the operations' `RescanLedger`. */
export function rescanLedger(database: DatabaseSync) {
  database.exec('CREATE TABLE IF NOT EXISTS rescans (id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT')
  const put = database.prepare('INSERT INTO rescans (id, record) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET record = ?2')
  const prune = database.prepare('DELETE FROM rescans WHERE id NOT IN (SELECT id FROM rescans ORDER BY id DESC LIMIT ?)')
  const one = database.prepare('SELECT record FROM rescans WHERE id = ?')
  const ids = database.prepare('SELECT id FROM rescans ORDER BY id DESC')
  const get = (id: string): RescanRecord | undefined => {
    const found = one.get(id)
    return found === undefined ? undefined : (JSON.parse(String(found['record'])) as RescanRecord)
  }
  return {
    put(record: RescanRecord): void {
      put.run(record.id, JSON.stringify(record))
      prune.run(RESCANS_KEPT)
    },
    get,
    /** Newest first: ids sort by time. */
    *list(): Generator<RescanRecord> {
      for (const { id } of ids.all()) {
        const record = get(String(id))
        if (record !== undefined) yield record
      }
    },
  }
}
