import type { Clock } from '../core/clock.ts'
import { DrydockError } from '../core/error.ts'
import { uuidv7 } from '../core/ids.ts'
import type { AuditLog } from '../model/audit.ts'
import type { EventSink } from '../model/event.ts'
import type { Decision, DecisionKind, Decisions } from '../model/standing.ts'

/** How long a question waits for its second person. Milliseconds. */
export const DECISION_LIFE = 60 * 60 * 1000
const DAY_MS = 24 * 60 * 60 * 1000

/**
 * How long an admin must have been left alone with the account and its password before they count as one of the two. Days. Whoever made an
 * account knows its first password, so for a while it may be theirs; a week is long enough for others to see it in the list of users.
 */
export const SETTLED_DAYS = 7

/** What can be decided: `says` what would happen, and refuses what makes no sense; `act` does it. */
export type Deciding = { says(to: string | null): string; act(to: string | null): Promise<void> }

export type DecisionsDeps = {
  kinds: Record<DecisionKind, Deciding>
  clock: Clock
  elapsed: () => number
  audit: Pick<AuditLog, 'record'>
  events: EventSink
  /** Who gave a user the account or the last one-time password, and when; `by` is null for the admin that `init` made. */
  given: (user: string) => { by: string | null; at: string } | undefined
}

/**
 * The two-person rule for what no bundle can bring: one admin asks, another one confirms, both stand in the audit log before and after.
 * Asking changes nothing. The time an hour is counted by does not depend on trusted time, which may be what is wrong.
 */
export function createDecisions(deps: DecisionsDeps): Decisions {
  const waiting = new Map<string, Decision & { until: number }>()
  const view = ({ until: _until, ...decision }: Decision & { until: number }): Decision => decision

  /** @throws DD-STATE-023 for an admin who may be somebody else's second name */
  function checkSettled(admin: string): void {
    const given = deps.given(admin)
    if (given?.by === null) return
    const from = new Date(Date.parse(given?.at ?? '') + SETTLED_DAYS * DAY_MS)
    if (from <= deps.clock.now()) return
    const found = given === undefined ? 'no user of this name any more' : `that ${given.by} gave out account or password on ${given.at.slice(0, 10)}`
    throw new DrydockError(
      'DD-STATE-023',
      `expected an admin whose account and password nobody else gave out in the last ${SETTLED_DAYS} days, found of ${admin} ${found}`,
      `${given === undefined ? '' : `${admin} counts from ${from.toISOString().slice(0, 16).replace('T', ' ')} UTC on; until then `}ask another admin: \`drydock user list\` shows who counts. What is served stays served meanwhile. An appliance with one admin needs a second one a week before the night: drydock user add NAME --role admin`,
    )
  }

  function find(id: string): Decision & { until: number } {
    const decision = waiting.get(id)
    if (decision !== undefined && decision.until > deps.elapsed()) return decision
    throw new DrydockError('DD-STATE-021', `expected a decision that waits for a second person, found none of id ${id}`, 'list them: drydock decision list; ask again when it has run out')
  }

  return {
    list: () => [...waiting.values()].filter(({ until }) => until > deps.elapsed()).map(view),
    ask({ kind, to = null }: { kind: DecisionKind; to?: string | null }, by) {
      checkSettled(by)
      const now = deps.clock.now()
      const decision = { id: uuidv7(now), kind, to, says: deps.kinds[kind].says(to), askedBy: by, at: now.toISOString(), expiresAt: new Date(now.getTime() + DECISION_LIFE).toISOString(), until: deps.elapsed() + DECISION_LIFE }
      waiting.set(decision.id, decision)
      deps.events.emit({ type: 'decision.asked', subject: `decision:${decision.id}`, actor: by, fields: { kind, says: decision.says, by } })
      return view(decision)
    },
    async confirm(id, by) {
      const decision = find(id)
      if (by === decision.askedBy) throw new DrydockError('DD-STATE-020', `expected another admin than ${by}, who asked for it, found the same person`, 'have another admin confirm it')
      checkSettled(by)
      const { kind, to, askedBy } = decision
      // It may no longer make sense: that is said before anything is done.
      deps.kinds[kind].says(to)
      waiting.delete(id)
      await deps.kinds[kind].act(to)
      deps.audit.record({ actor: by, action: kind, subject: `decision:${id}`, outcome: 'allowed', fields: { askedBy, confirmedBy: by, says: decision.says } })
      deps.events.emit({ type: kind, subject: `decision:${id}`, actor: by, fields: { says: decision.says, askedBy, confirmedBy: by } })
      return view(decision)
    },
    withdraw(id) {
      waiting.delete(find(id).id)
    },
  }
}
