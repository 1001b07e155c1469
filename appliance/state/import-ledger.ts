import type { DatabaseSync } from 'node:sqlite'
import type { ImportRecord } from '../../bundles/format/import-record.ts'
import { DrydockError } from '../core/error.ts'
import { transaction } from './history.ts'

type Submission = { source: string; upload: boolean; fileName: string }
type VolumeSource = Submission & { volume: number; staged: boolean }
type SignedReceipt = { receipt: string; signature: string }

/** Imports in db/history.sqlite; satisfies the operations' `ImportLedger`. A record is one JSON document: it is read whole and written whole. */
export function importLedger(database: DatabaseSync) {
  database.exec(`
    CREATE TABLE IF NOT EXISTS imports (id TEXT PRIMARY KEY, record TEXT NOT NULL, submission TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS import_volumes (import TEXT NOT NULL, volume INTEGER NOT NULL, source TEXT NOT NULL, PRIMARY KEY (import, volume)) STRICT;
    CREATE TABLE IF NOT EXISTS joined_imports (id TEXT PRIMARY KEY, import TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS arrivals (identity TEXT PRIMARY KEY, import TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS receipts (import TEXT PRIMARY KEY REFERENCES imports (id), receipt TEXT NOT NULL, signature TEXT NOT NULL) STRICT;`)
  const insert = database.prepare('INSERT OR IGNORE INTO imports (id, record, submission) VALUES (?, ?, ?)')
  const one = database.prepare('SELECT record, submission FROM imports WHERE id = ?')
  const all = database.prepare('SELECT record FROM imports ORDER BY id DESC')
  const write = database.prepare('UPDATE imports SET record = ? WHERE id = ?')
  const keep = database.prepare('INSERT INTO receipts (import, receipt, signature) VALUES (?1, ?2, ?3) ON CONFLICT (import) DO UPDATE SET receipt = ?2, signature = ?3')
  const kept = database.prepare('SELECT receipt, signature FROM receipts WHERE import = ?')

  const volumesOf = database.prepare('SELECT source FROM import_volumes WHERE import = ? ORDER BY volume')
  const putVolume = database.prepare('INSERT INTO import_volumes (import, volume, source) VALUES (?1, ?2, ?3) ON CONFLICT (import, volume) DO UPDATE SET source = ?3')
  const removeVolume = database.prepare('DELETE FROM import_volumes WHERE import = ? AND volume = ?')
  const putJoined = database.prepare('INSERT OR IGNORE INTO joined_imports (id, import) VALUES (?, ?)')
  const findJoined = database.prepare('SELECT import FROM joined_imports WHERE id = ?')
  const putArrival = database.prepare('INSERT INTO arrivals (identity, import) VALUES (?1, ?2) ON CONFLICT (identity) DO UPDATE SET import = ?2')
  const findArrival = database.prepare('SELECT import FROM arrivals WHERE identity = ?')
  const removeImport = database.prepare('DELETE FROM imports WHERE id = ?')

  const joined = (id: string): string | undefined => {
    const found = findJoined.get(id)
    return found === undefined ? undefined : String(found['import'])
  }
  const row = (id: string): Record<string, unknown> => {
    const found = one.get(id)
    if (found === undefined) throw new DrydockError('DD-IMPORT-002', `expected an import of id ${id}, found none`, 'list them: drydock import list')
    return found
  }

  return {
    /** The first record of an id stays. */
    create(record: ImportRecord, { source, upload, fileName }: Submission): void {
      if (joined(record.id) === undefined) insert.run(record.id, JSON.stringify(record), JSON.stringify({ source, upload, fileName }))
    },
    submission: (id: string): Submission => JSON.parse(String(row(id)['submission'])) as Submission,
    get(id: string): ImportRecord | undefined {
      const found = one.get(joined(id) ?? id)
      return found === undefined ? undefined : (JSON.parse(String(found['record'])) as ImportRecord)
    },
    /** Newest first: ids sort by time. */
    list: (): ImportRecord[] => all.all().map(found => JSON.parse(String(found['record'])) as ImportRecord),
    update(id: string, change: Partial<Omit<ImportRecord, 'id'>>): ImportRecord {
      return transaction(database, () => {
        const next = { ...(JSON.parse(String(row(id)['record'])) as ImportRecord), ...change }
        write.run(JSON.stringify(next), id)
        return next
      })
    },
    volumes: (id: string): VolumeSource[] => volumesOf.all(id).map(found => JSON.parse(String(found['source'])) as VolumeSource),
    keepVolume(id: string, volume: VolumeSource): void {
      putVolume.run(id, volume.volume, JSON.stringify(volume))
    },
    dropVolume(id: string, volume: number): void {
      removeVolume.run(id, volume)
    },
    join(id: string, into: string): void {
      transaction(database, () => {
        putJoined.run(id, into)
        removeImport.run(id)
      })
    },
    joined,
    keepArrival(identity: string, id: string): void {
      putArrival.run(identity, id)
    },
    arrival(identity: string): string | undefined {
      const found = findArrival.get(identity)
      return found === undefined ? undefined : String(found['import'])
    },
    keepReceipt(id: string, signed: SignedReceipt): void {
      keep.run(id, signed.receipt, signed.signature)
    },
    receipt(id: string): SignedReceipt | undefined {
      const found = kept.get(id)
      return found === undefined ? undefined : { receipt: String(found['receipt']), signature: String(found['signature']) }
    },
  }
}
