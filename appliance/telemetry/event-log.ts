import type { DatabaseSync } from 'node:sqlite'
import type { Clock } from '../core/clock.ts'
import { asDrydockError } from '../core/error.ts'
import type { Log } from '../core/log.ts'
import type { Event, EventFilter, EventLog } from '../model/event.ts'

/** The most events one `list` answers, and one step of a replay. */
export const EVENTS_AT_ONCE = 1000

type Subscriber = { filter: EventFilter; sent: number; listener: (event: Event) => void }

/** Events in SQLite, and those who follow them in this process. A follower reads from the table, so it misses nothing and sees nothing twice. */
export function openEventLog(database: DatabaseSync, clock: Clock, log: Log): EventLog {
  const insert = database.prepare('INSERT INTO events (at, type, operation, actor, subject, fields) VALUES (?, ?, ?, ?, ?, ?)')
  const select = database.prepare(`
    SELECT * FROM events WHERE seq > ?1 AND (?2 IS NULL OR subject = ?2) AND (?3 IS NULL OR substr(subject, 1, length(?3)) = ?3)
      AND (?4 IS NULL OR operation = ?4) ORDER BY seq LIMIT ?5`)
  const newest = database.prepare('SELECT max(seq) AS seq FROM events')
  const subscribers = new Set<Subscriber>()
  let scheduled = false

  function list(filter: EventFilter = {}): Event[] {
    const prefix = filter.subject?.endsWith('*') === true ? filter.subject.slice(0, -1) : null
    const exact = prefix === null ? (filter.subject ?? null) : null
    const limit = Math.min(filter.limit ?? EVENTS_AT_ONCE, EVENTS_AT_ONCE)
    return select.all(filter.after ?? 0, exact, prefix, filter.operation ?? null, limit).map(fromRow)
  }

  function feed(subscriber: Subscriber): void {
    try {
      for (;;) {
        const events = list({ ...subscriber.filter, after: subscriber.sent, limit: EVENTS_AT_ONCE })
        for (const event of events) {
          if (!subscribers.has(subscriber)) return
          subscriber.sent = event.seq
          subscriber.listener(event)
        }
        if (events.length < EVENTS_AT_ONCE) return
      }
    } catch (failure) {
      subscribers.delete(subscriber)
      log.warn({ code: asDrydockError(failure).code }, 'a listener of events was dropped')
    }
  }

  /** After the caller's work of this turn: an event is often emitted inside a transaction, and is told only once it is durable. */
  function schedule(): void {
    if (scheduled || subscribers.size === 0) return
    scheduled = true
    setImmediate(() => {
      scheduled = false
      if (database.isOpen) subscribers.forEach(feed)
    })
  }

  return {
    emit(event) {
      const at = clock.now().toISOString()
      const operation = event.operation ?? null
      const actor = event.actor ?? 'drydock'
      const { lastInsertRowid } = insert.run(at, event.type, operation, actor, event.subject, JSON.stringify(event.fields))
      schedule()
      return { seq: Number(lastInsertRowid), at, type: event.type, operation, actor, subject: event.subject, fields: event.fields }
    },
    list,
    subscribe(filter, listener) {
      const subscriber: Subscriber = { filter, sent: filter.after ?? 0, listener }
      subscribers.add(subscriber)
      feed(subscriber)
      return () => {
        subscribers.delete(subscriber)
      }
    },
    last: () => Number(newest.get()?.['seq'] ?? 0),
  }
}

function fromRow(row: Record<string, unknown>): Event {
  return {
    seq: Number(row['seq']),
    at: String(row['at']),
    type: String(row['type']),
    operation: typeof row['operation'] === 'string' ? row['operation'] : null,
    actor: String(row['actor']),
    subject: String(row['subject']),
    fields: JSON.parse(String(row['fields'])) as Event['fields'],
  }
}
