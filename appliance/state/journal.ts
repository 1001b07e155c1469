import type { DatabaseSync } from 'node:sqlite'
import type { Json } from '../../bundles/format/json.ts'
import type { ErrorBody } from '../core/error.ts'
import type { Operation, Progress } from '../model/operation.ts'
import { transaction } from './history.ts'

/** An operation as it is stored: what everybody sees, and what the engine needs to run it again. */
export type StoredOperation = Operation & { lane: string; params: Json; idempotencyKey: string; cancelledBy: string | null }

type Row = Record<string, unknown>

/** Operations and their journal in SQLite; satisfies the engine's `Journal`. Every call is durable when it returns. */
export function openJournal(database: DatabaseSync) {
  const insert = database.prepare(`
    INSERT INTO operations (id, kind, subject, actor, lane, params, idempotency_key, state, created_at, updated_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, 'queued', ?, ?)`)
  const byKey = database.prepare('SELECT * FROM operations WHERE actor = ? AND idempotency_key = ?')
  const byId = database.prepare('SELECT * FROM operations WHERE id = ?')
  const newest = database.prepare('SELECT * FROM operations WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR subject = ?2) ORDER BY id DESC LIMIT ?3')
  const unfinished = database.prepare("SELECT * FROM operations WHERE state IN ('queued', 'running', 'waiting') ORDER BY id")
  const setState = database.prepare("UPDATE operations SET state = ?1, waiting_on = ?2, error = ?3, result = ?4, updated_at = ?5, progress = iif(?1 = 'waiting', NULL, coalesce(?7, progress)) WHERE id = ?6")
  const setLane = database.prepare("UPDATE operations SET lane = ?, state = 'queued', waiting_on = NULL, progress = NULL, updated_at = ? WHERE id = ?")
  const setCancelled = database.prepare('UPDATE operations SET cancelled_by = coalesce(cancelled_by, ?), updated_at = ? WHERE id = ?')
  const oneRecord = database.prepare('SELECT result_at, result FROM journal WHERE operation = ? AND name = ?')
  const intend = database.prepare('INSERT OR IGNORE INTO journal (operation, name, kind, intent_at) VALUES (?, ?, ?, ?)')
  const conclude = database.prepare(`
    INSERT INTO journal (operation, name, kind, intent_at, result_at, result) VALUES (?1, ?2, ?3, ?4, ?4, ?5)
    ON CONFLICT (operation, name) DO UPDATE SET result_at = excluded.result_at, result = excluded.result WHERE result_at IS NULL`)

  return {
    /** @returns the operation that already has this actor and key, or the new one. */
    insert(operation: StoredOperation): StoredOperation {
      return transaction(database, () => {
        const existing = byKey.get(operation.actor, operation.idempotencyKey)
        if (existing !== undefined) return fromRow(existing)
        const { id, kind, subject, actor, lane, params, idempotencyKey, createdAt } = operation
        insert.run(id, kind, subject, actor, lane, JSON.stringify(params), idempotencyKey, createdAt, createdAt)
        return operation
      })
    },
    get(id: string): StoredOperation | undefined {
      const row = byId.get(id)
      return row === undefined ? undefined : fromRow(row)
    },
    withKey(actor: string, idempotencyKey: string): StoredOperation | undefined {
      const row = byKey.get(actor, idempotencyKey)
      return row === undefined ? undefined : fromRow(row)
    },
    list(filter: { state?: Operation['state']; subject?: string; limit?: number }): StoredOperation[] {
      return newest.all(filter.state ?? null, filter.subject ?? null, filter.limit ?? 100).map(fromRow)
    },
    unfinished(): StoredOperation[] {
      return unfinished.all().map(fromRow)
    },
    setState(id: string, change: { state: Operation['state']; waitingOn?: string; error?: ErrorBody; result?: Json; progress?: Progress; at: string }): void {
      setState.run(change.state, change.waitingOn ?? null, text(change.error), text(change.result), change.at, id, text(change.progress))
    },
    setCancelled(id: string, actor: string, at: string): void {
      setCancelled.run(actor, at, id)
    },
    /** `{ value }` when the record has its result, null when it has only its intent, undefined when there is none. */
    record(operation: string, name: string): { value: Json } | null | undefined {
      const row = oneRecord.get(operation, name)
      if (row === undefined) return undefined
      return row['result_at'] === null ? null : { value: JSON.parse(String(row['result'])) as Json }
    },
    intent(operation: string, name: string, kind: string, at: string): void {
      intend.run(operation, name, kind, at)
    },
    /** The first result stays. */
    result(operation: string, name: string, kind: string, value: Json, at: string): void {
      conclude.run(operation, name, kind, at, JSON.stringify(value))
    },
    /** Record and lane in one transaction. */
    enterLane(operation: string, name: string, kind: string, lane: string, at: string): void {
      transaction(database, () => {
        setLane.run(lane, at, operation)
        conclude.run(operation, name, kind, at, 'null')
      })
    },
    /** An effect inside the database itself, in one transaction with its record: it happens exactly once. */
    once(operation: string, name: string, kind: string, at: string, effect: () => void): void {
      transaction(database, () => {
        if (oneRecord.get(operation, name) !== undefined) return
        effect()
        conclude.run(operation, name, kind, at, 'null')
      })
    },
  }
}

function text(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value)
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

function parsed(value: unknown): unknown {
  return typeof value === 'string' ? JSON.parse(value) : null
}

/** The rows were written by `insert` and `setState`, so their shape is known. */
function fromRow(row: Row): StoredOperation {
  return {
    id: String(row['id']),
    kind: String(row['kind']),
    subject: String(row['subject']),
    actor: String(row['actor']),
    state: String(row['state']) as Operation['state'],
    waitingOn: textOrNull(row['waiting_on']),
    progress: parsed(row['progress']) as Progress | null,
    error: parsed(row['error']) as ErrorBody | null,
    result: parsed(row['result']),
    createdAt: String(row['created_at']),
    updatedAt: String(row['updated_at']),
    lane: String(row['lane']),
    params: parsed(row['params']) as Json,
    idempotencyKey: String(row['idempotency_key']),
    cancelledBy: textOrNull(row['cancelled_by']),
  }
}
