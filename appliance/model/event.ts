import Type from 'typebox'

/** Append-only. `fields` are facts in the order in which the line shows them. */
export const Event = Type.Object(
  {
    seq: Type.Integer({ minimum: 1 }),
    /** UTC, ISO 8601 with milliseconds. */
    at: Type.String(),
    /** `spec.update`, `create.node`, `pool.healthy` … */
    type: Type.String(),
    operation: Type.Union([Type.String(), Type.Null()]),
    actor: Type.String(),
    /** What it is about: `pool:linux-demo`, `node:lin-3`, `import:7`. */
    subject: Type.String(),
    fields: Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()])),
  },
  { additionalProperties: false },
)
export type Event = Type.Static<typeof Event>

export type NewEvent = Pick<Event, 'type' | 'subject' | 'fields'> & { operation?: string | null; actor?: string }

/** Where events go; durable before it returns. `actor` defaults to `drydock`. */
export interface EventSink {
  emit(event: NewEvent): Event
}

export type EventFilter = { after?: number; subject?: string; operation?: string; limit?: number }

/** The event log as those who show it see it. */
export interface EventLog extends EventSink {
  /** In the order of `seq`, those after `after`, at most `limit` (1,000). A subject ending in `*` matches by its beginning. */
  list(filter?: EventFilter): Event[]
  /**
   * First what is stored after `after`, then what comes, each event once and in order. A listener that throws is dropped.
   * @returns what ends it.
   */
  subscribe(filter: EventFilter, listener: (event: Event) => void): () => void
  /** The newest `seq`, 0 when there is none. */
  last(): number
}
