import Type from 'typebox'
import { AuditRecord } from '../../model/audit.ts'
import { Event } from '../../model/event.ts'
import { HomeView } from '../answers.ts'
import { waitingForPeople } from '../home.ts'
import { rescanWaits } from '../rescan-waits.ts'
import { standingWaits } from '../standing-waits.ts'
import { route, type Route } from '../route.ts'
import type { Services } from '../services.ts'
import { streamEvents } from '../event-stream.ts'

const strict = { additionalProperties: false } as const
const After = Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))
const Limit = Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 }))
const Subject = Type.Optional(Type.String({ maxLength: 256 }))
const Id = Type.Optional(Type.String({ maxLength: 64 }))
const DEFAULT_LIMIT = 200

export function historyRoutes(services: Services): Route[] {
  const { events, audit } = services
  return [
    route({ method: 'GET', path: '/home', needs: 'viewer', summary: 'What waits for a person.', answer: HomeView, handle: async () => ({ waiting: [...(await standingWaits(services)), ...rescanWaits(services), ...waitingForPeople(services)] }) }),
    route({
      method: 'GET', path: '/events', needs: 'viewer', summary: 'Events in order: those behind `after`, or without it the newest ones.',
      query: Type.Object({ after: After, subject: Subject, operation: Id, limit: Limit }, strict), answer: Type.Array(Event),
      handle({ query: { after, subject, operation, limit = DEFAULT_LIMIT } }) {
        const about = { ...(subject === undefined ? {} : { subject }), ...(operation === undefined ? {} : { operation }) }
        if (after !== undefined) return events.list({ after, limit, ...about })
        return newest(limit, events.last(), from => events.list({ after: from, limit: PAGE, ...about }))
      },
    }),
    route({
      method: 'GET', path: '/events/stream', needs: 'viewer', summary: 'The same, live: server-sent events with the sequence number as id. Goes on behind `after` or Last-Event-ID.',
      query: Type.Object({ after: After, subject: Subject, operation: Id }, strict), contentType: 'text/event-stream', answer: Type.String(),
      handle({ query, http }) {
        streamEvents(services, query, http)
        return ''
      },
    }),
    route({
      method: 'GET', path: '/audit', needs: 'viewer', summary: 'Who did what, and what was refused: those behind `after`, or without it the newest ones.',
      query: Type.Object({ after: After, limit: Limit }, strict), answer: Type.Array(AuditRecord),
      handle: ({ query: { after, limit = DEFAULT_LIMIT } }) => (after === undefined ? newest(limit, lastAudit(audit), from => audit.list({ after: from, limit: PAGE })) : audit.list({ after, limit })),
    }),
    route({
      method: 'GET', path: '/audit/export', needs: 'viewer', summary: 'The whole audit log with its signed heads, for `drydock audit verify` on another machine. That it was taken out is audited.',
      contentType: 'application/x-ndjson', answer: Type.String(),
      audit: () => ({ subject: 'audit:log', fields: { export: true } }),
      handle: async () => `${(await audit.export()).join('\n')}\n`,
    }),
  ]
}

/** The logs answer at most this many rows at a time. */
const PAGE = 1000

/** Looks back in widening windows until there are enough: a log is only ever read forwards. */
function newest<T extends { seq: number }>(limit: number, last: number, read: (after: number) => T[]): T[] {
  for (let window = limit; ; window *= 8) {
    const start = Math.max(0, last - window)
    const found: T[] = []
    for (let after = start, more = true; more; after = found.at(-1)?.seq ?? after) {
      const page = read(after)
      found.push(...page)
      more = page.length === PAGE
    }
    if (found.length >= limit || start === 0) return found.slice(-limit)
  }
}

/** The newest sequence number: numbers have no gaps, so doubling and halving finds it in a few single-row reads. */
function lastAudit(audit: Services['audit']): number {
  const isThere = (seq: number) => seq === 0 || audit.list({ after: seq - 1, limit: 1 }).length > 0
  let there = 0
  let missing = 1
  while (isThere(missing)) {
    there = missing
    missing *= 2
  }
  while (missing - there > 1) {
    const middle = Math.floor((there + missing) / 2)
    if (isThere(middle)) there = middle
    else missing = middle
  }
  return there
}
