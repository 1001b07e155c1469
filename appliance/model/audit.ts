import Type from 'typebox'

const strict = { additionalProperties: false } as const

/** One thing that somebody did or was refused. `digest` covers every other field, `previous` among them: a chain. */
export const AuditRecord = Type.Object(
  {
    seq: Type.Integer({ minimum: 1 }),
    /** UTC, ISO 8601 with milliseconds. */
    at: Type.String(),
    actor: Type.String(),
    /** `POST /api/v1/pools`, `import.approve`, `session.refused` … */
    action: Type.String(),
    subject: Type.String(),
    outcome: Type.Union([Type.Literal('allowed'), Type.Literal('refused'), Type.Literal('failed')]),
    fields: Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()])),
    previous: Type.String({ pattern: '^sha256:[0-9a-f]{64}$' }),
    digest: Type.String({ pattern: '^sha256:[0-9a-f]{64}$' }),
  },
  strict,
)
export type AuditRecord = Type.Static<typeof AuditRecord>

export type NewAuditRecord = Pick<AuditRecord, 'actor' | 'action' | 'subject' | 'outcome'> & { fields?: AuditRecord['fields'] }

/** Where audit records go. */
export interface AuditLog {
  /** Durable before it returns. @throws DD-STATE-010 when it cannot be written: then the action must not happen. */
  record(entry: NewAuditRecord): AuditRecord
  list(options?: { after?: number; limit?: number }): AuditRecord[]
  /** Records and signed heads as NDJSON lines, for `drydock audit verify` on another machine. Ends with a signed head. */
  export(): Promise<string[]>
}
