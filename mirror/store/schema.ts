import { DatabaseSync } from 'node:sqlite'
import { DrydockError } from '../../appliance/core/error.ts'

/** Raised when an older Drydock could not read what this one writes. */
const FORMAT = 1

/** The generation in which something that is still there will end. */
export const OPEN_END = Number.MAX_SAFE_INTEGER

/**
 * A row of `items` and `rendered` belongs to the generations n with from_generation <= n < to_generation; nothing but that end is
 * ever written again. So a new generation costs as many rows as it changes, and every old one stays whole.
 */
const TABLES = `
  CREATE TABLE generations (generation INTEGER PRIMARY KEY, at TEXT NOT NULL, operation TEXT NOT NULL UNIQUE, counts TEXT NOT NULL, stamps TEXT NOT NULL) STRICT;
  CREATE TABLE items (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,
    from_generation INTEGER NOT NULL, to_generation INTEGER NOT NULL, document TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX items_key ON items (key, from_generation);
  CREATE INDEX items_name ON items (kind, name);
  CREATE TABLE item_blobs (digest TEXT NOT NULL, item INTEGER NOT NULL REFERENCES items (id), PRIMARY KEY (digest, item)) STRICT, WITHOUT ROWID;
  CREATE TABLE rendered (
    kind TEXT NOT NULL, path TEXT NOT NULL, from_generation INTEGER NOT NULL, to_generation INTEGER NOT NULL,
    digest TEXT NOT NULL, media_type TEXT NOT NULL, immutable INTEGER NOT NULL, ours INTEGER NOT NULL,
    PRIMARY KEY (kind, path, from_generation)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX rendered_digest ON rendered (digest);
  INSERT INTO generations VALUES (0, '', '', '{}', '{}');
  PRAGMA user_version = ${FORMAT};
`

/** @throws DD-MIRROR-005 when a newer Drydock wrote it. */
export function openDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 5000 })
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -16384')
  const version = Number(database.prepare('PRAGMA user_version').get()?.['user_version'])
  if (version === 0) inTransaction(database, () => database.exec(TABLES))
  else if (version !== FORMAT) {
    database.close()
    throw new DrydockError('DD-MIRROR-005', `expected a catalogue of format ${FORMAT}, found ${version} in ${path}`, 'run the Drydock that wrote it, or restore a backup of this version')
  }
  return database
}

export function inTransaction<T>(database: DatabaseSync, work: () => T): T {
  database.exec('BEGIN IMMEDIATE')
  try {
    const result = work()
    database.exec('COMMIT')
    return result
  } catch (failure) {
    // A COMMIT that met a failing disk has ended it already.
    if (database.isTransaction) database.exec('ROLLBACK')
    throw failure
  }
}
