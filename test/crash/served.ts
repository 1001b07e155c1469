import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { digestOf, hexOf, parseDigest } from '../../appliance/core/digest.ts'

/**
 * What the mirrors of a data folder serve, read from the disk as it is, also of an appliance that was killed a moment ago: every item and
 * every rendered path of the newest generation, and each blob that they name, hashed again.
 * @throws when a blob that is served is missing or has other bytes: that is a mix, never old nor new
 */
export function servedBy(data: string): { hash: string; generation: number } {
  return reading(data, 'catalogue', database => {
    const generation = Number(database.prepare('SELECT max(generation) AS newest FROM generations').get()?.['newest'])
    const now = 'from_generation <= ?1 AND to_generation > ?1'
    const items = database.prepare(`SELECT document FROM items WHERE ${now} ORDER BY key`).all(generation).map(row => String(row['document']))
    const rendered = database.prepare(`SELECT kind, path, digest, media_type FROM rendered WHERE ${now} ORDER BY kind, path`).all(generation)
    const blobs = new Set(rendered.map(row => String(row['digest'])))
    for (const item of items) for (const { digest } of (JSON.parse(item) as { blobs: { digest: string }[] }).blobs) blobs.add(digest)
    for (const digest of blobs) {
      const hex = hexOf(parseDigest(digest))
      const path = join(data, 'blobs/sha256', hex.slice(0, 2), hex)
      if (!existsSync(path)) throw new Error(`generation ${generation} serves ${digest}, which is not in the store`)
      if (digestOf(readFileSync(path)) !== digest) throw new Error(`generation ${generation} serves other bytes as ${digest}`)
    }
    return { hash: createHash('sha256').update(JSON.stringify([items, rendered])).digest('hex').slice(0, 16), generation }
  })
}

/** Which effect was open when the process ended: what the next start has to do again. */
export function openStep(data: string): string {
  if (!existsSync(join(data, 'db/history.sqlite'))) return 'nothing'
  return reading(data, 'history', database => {
    const operation = database.prepare("SELECT id, state, waiting_on FROM operations WHERE kind = 'import' AND state IN ('queued', 'running', 'waiting') ORDER BY id LIMIT 1").get()
    if (operation === undefined) return 'no import under way'
    const open = database.prepare('SELECT name FROM journal WHERE operation = ? AND result_at IS NULL').get(String(operation['id']))
    if (open !== undefined) return String(open['name'])
    const last = database.prepare('SELECT name FROM journal WHERE operation = ? ORDER BY result_at DESC LIMIT 1').get(String(operation['id']))
    return operation['state'] === 'waiting' ? `waiting on ${String(operation['waiting_on'])}` : `after ${last === undefined ? 'nothing' : String(last['name']).replace(/^event:([^:]+):.*/, 'event $1')}`
  })
}

/** Copies of the database and its log: looking must not change what the next start finds. */
function reading<T>(data: string, name: string, look: (database: DatabaseSync) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'drydock-look-'))
  try {
    for (const end of ['', '-wal']) {
      const file = `${name}.sqlite${end}`
      if (existsSync(join(data, 'db', file))) copyFileSync(join(data, 'db', file), join(folder, file))
    }
    const database = new DatabaseSync(join(folder, `${name}.sqlite`))
    try {
      return look(database)
    } finally {
      database.close()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The sequence up to which nothing comes in again. */
export function markOf(marks: string, stream = 'demo'): number {
  const document = JSON.parse(readFileSync(join(marks, 'marks.json'), 'utf8')) as { streams: Record<string, { sequence: number }> }
  return document.streams[stream]?.sequence ?? 0
}

/** What nobody will ever need: staged payload, uploads, temporary names. Empty after every import that has ended. In marksDir, which appliances may share, temporary names go an hour later, at a start of the whole appliance. */
export function leftovers(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).filter(entry => !entry.isDirectory()).map(entry => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .filter(path => path.startsWith('staging/') || path.startsWith('blobs/incoming/') || (path.endsWith('.tmp') && !path.startsWith('marks/')))
}

/** Steps whose result the journal has, of all operations: `OPERATION NAME`. */
export function resultsIn(data: string): string[] {
  return reading(data, 'history', database => database.prepare("SELECT operation || ' ' || name AS record FROM journal WHERE result_at IS NOT NULL ORDER BY operation").all().map(row => String(row['record'])))
}

/** @throws when a staged blob does not have the bytes that its name says */
export function staged(data: string): void {
  for (const entry of readdirSync(join(data, 'staging'), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/^[0-9a-f]{64}$/.test(entry.name)) continue
    if (hexOf(digestOf(readFileSync(join(entry.parentPath, entry.name)))) !== entry.name) throw new Error(`staged by the journal, and ${entry.name} has other bytes`)
  }
}
