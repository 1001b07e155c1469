import type { Json } from '../../bundles/format/json.ts'
import type { ErrorBody } from '../core/error.ts'
import type { Operation, Progress } from '../model/operation.ts'

/** An operation as the journal keeps it. */
export type StoredOperation = Operation & { lane: string; params: Json; idempotencyKey: string; cancelledBy: string | null }

/** What the engine needs to remember; appliance/state implements it over SQLite. Every call is durable when it returns. */
export interface Journal {
  /** @returns the operation that already has this actor and key, or the new one. */
  insert(operation: StoredOperation): StoredOperation
  get(id: string): StoredOperation | undefined
  withKey(actor: string, idempotencyKey: string): StoredOperation | undefined
  /** Newest first. */
  list(filter: { state?: Operation['state']; subject?: string; limit?: number }): StoredOperation[]
  /** Oldest first: queued, running, waiting. */
  unfinished(): StoredOperation[]
  /** What waits makes no progress: the last one is forgotten, lest it be told again when the next phase begins. */
  setState(id: string, change: { state: Operation['state']; waitingOn?: string; error?: ErrorBody; result?: Json; progress?: Progress; at: string }): void
  setCancelled(id: string, actor: string, at: string): void
  /** `{ value }` when there is a result, null when there is only the intent, undefined when there is neither. */
  record(operation: string, name: string): { value: Json } | null | undefined
  intent(operation: string, name: string, kind: string, at: string): void
  /** The first result stays. */
  result(operation: string, name: string, kind: string, value: Json, at: string): void
  /** The first result stays, and with it in one transaction: the operation is queued in another lane. */
  enterLane(operation: string, name: string, kind: string, lane: string, at: string): void
  /** An effect inside the journal's own database, in one transaction with its record: exactly once. */
  once(operation: string, name: string, kind: string, at: string, effect: () => void): void
}
