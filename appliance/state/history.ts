import { DatabaseSync } from 'node:sqlite'
import { DrydockError } from '../core/error.ts'

/**
 * db/history.sqlite: what happened and what is being done. Each entry of the list raises `user_version` by one and is never edited after
 * it shipped. Tables of others (imports, enrolment tokens, sessions) are made by their owners in the same file with
 * `CREATE TABLE IF NOT EXISTS`.
 */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, type TEXT NOT NULL, operation TEXT, actor TEXT NOT NULL,
    subject TEXT NOT NULL, fields TEXT NOT NULL
  ) STRICT;
  CREATE INDEX events_by_subject ON events (subject, seq);
  CREATE INDEX events_by_operation ON events (operation, seq) WHERE operation IS NOT NULL;

  CREATE TABLE operations (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, subject TEXT NOT NULL, actor TEXT NOT NULL, lane TEXT NOT NULL, params TEXT NOT NULL,
    idempotency_key TEXT NOT NULL, state TEXT NOT NULL, waiting_on TEXT, progress TEXT, error TEXT, result TEXT,
    cancelled_by TEXT, created_at TEXT NOT NULL, updated_at TEXT NOT NULL,
    UNIQUE (actor, idempotency_key)
  ) STRICT;
  CREATE INDEX operations_by_state ON operations (state, id);
  CREATE INDEX operations_by_subject ON operations (subject, id);

  CREATE TABLE journal (
    operation TEXT NOT NULL REFERENCES operations (id), name TEXT NOT NULL, kind TEXT NOT NULL, intent_at TEXT NOT NULL,
    result_at TEXT, result TEXT,
    PRIMARY KEY (operation, name)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE steps (seq INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, intent_at TEXT NOT NULL, result_at TEXT) STRICT;

  CREATE TABLE nodes (name TEXT PRIMARY KEY, pool TEXT NOT NULL, phase TEXT NOT NULL, record TEXT NOT NULL) STRICT;
  CREATE INDEX nodes_by_pool ON nodes (pool, phase);
  CREATE TABLE node_numbers (prefix TEXT PRIMARY KEY, next INTEGER NOT NULL) STRICT;

  CREATE TABLE jobs (
    connection TEXT NOT NULL, id TEXT NOT NULL, node TEXT NOT NULL, image TEXT, revision INTEGER, name TEXT NOT NULL,
    queued_at INTEGER NOT NULL, started_at INTEGER, finished_at INTEGER, status INTEGER, output TEXT NOT NULL,
    PRIMARY KEY (connection, id)
  ) STRICT;
  CREATE INDEX jobs_by_node ON jobs (node, queued_at);

  CREATE TABLE audit (seq INTEGER PRIMARY KEY, digest TEXT NOT NULL, line TEXT NOT NULL) STRICT;
  CREATE TABLE audit_heads (seq INTEGER PRIMARY KEY, line TEXT NOT NULL) STRICT;
  `,
]

/** What openHistory gives; others' tables are made in it by their owners in this folder. */
export type HistoryDatabase = DatabaseSync

/** @throws DD-STATE-008 when the file is damaged or newer than this build. */
export function openHistory(path: string): DatabaseSync {
  const database = openDatabase(path)
  try {
    database.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA busy_timeout=5000')
    migrate(database, path)
  } catch (cause) {
    database.close()
    throw cause instanceof DrydockError ? cause : damaged(path, cause)
  }
  return database
}

function openDatabase(path: string): DatabaseSync {
  try {
    return new DatabaseSync(path)
  } catch (cause) {
    throw damaged(path, cause)
  }
}

function damaged(path: string, cause: unknown): DrydockError {
  return new DrydockError('DD-STATE-008', `expected a whole history database at ${path}, found one that cannot be read`, 'restore db/ from a backup; desired state and bytes are not touched', { cause })
}

function migrate(database: DatabaseSync, path: string): void {
  const version = Number(database.prepare('PRAGMA user_version').get()?.['user_version'])
  if (version > MIGRATIONS.length) {
    throw new DrydockError('DD-STATE-008', `expected a history of schema ${MIGRATIONS.length} or older, found ${version} in ${path}`, 'start the newer Drydock that wrote it; nothing was changed')
  }
  for (const [index, statements] of MIGRATIONS.entries()) {
    if (index < version) continue
    transaction(database, () => {
      database.exec(statements)
      database.exec(`PRAGMA user_version=${index + 1}`)
    })
  }
}

/** All or nothing, and durable when it returns. The work must not await: one connection has one transaction. */
export function transaction<T>(database: DatabaseSync, work: () => T): T {
  database.exec('BEGIN IMMEDIATE')
  try {
    const result = work()
    database.exec('COMMIT')
    return result
  } catch (failure) {
    if (database.isTransaction) database.exec('ROLLBACK')
    throw failure
  }
}
