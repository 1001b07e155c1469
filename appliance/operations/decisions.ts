import type { Clock } from '../core/clock.ts'
import { DrydockError } from '../core/error.ts'
import { uuidv7 } from '../core/ids.ts'
import type { AuditLog } from '../model/audit.ts'
import type { EventSink } from '../model/event.ts'
import type { Decision, DecisionKind, Decisions } from '../model/standing.ts'

/** How long a question waits for its second person. Milliseconds. */
export const DECISION_LIFE = 60 * 60 * 1000

/** What can be decided: `says` what would happen, and refuses what makes no sense; `act` does it. */
export type Deciding = { says(to: string | null): string; act(to: string | null): Promise<void> }

/**
 * The two-person rule for what no bundle can bring: one admin asks, another one confirms, both stand in the audit log before and after.
 * Asking changes nothing. The time an hour is counted by does not depend on trusted time, which may be what is wrong.
 */
export function createDecisions(deps: { kinds: Record<DecisionKind, Deciding>; clock: Clock; elapsed: () => number; audit: Pick<AuditLog, 'record'>; events: EventSink }): Decisions {
  const waiting = new Map<string, Decision & { until: number }>()
  const view = ({ until: _until, ...decision }: Decision & { until: number }): Decision => decision

  function find(id: string): Decision & { until: number } {
    const decision = waiting.get(id)
    if (decision !== undefined && decision.until > deps.elapsed()) return decision
    throw new DrydockError('DD-STATE-021', `expected a decision that waits for a second person, found none of id ${id}`, 'list them: drydock decision list; ask again when it has run out')
  }

  return {
    list: () => [...waiting.values()].filter(({ until }) => until > deps.elapsed()).map(view),
    ask({ kind, to = null }: { kind: DecisionKind; to?: string | null }, by) {
      const now = deps.clock.now()
      const decision = { id: uuidv7(now), kind, to, says: deps.kinds[kind].says(to), askedBy: by, at: now.toISOString(), expiresAt: new Date(now.getTime() + DECISION_LIFE).toISOString(), until: deps.elapsed() + DECISION_LIFE }
      waiting.set(decision.id, decision)
      deps.events.emit({ type: 'decision.asked', subject: `decision:${decision.id}`, actor: by, fields: { kind, says: decision.says, by } })
      return view(decision)
    },
    async confirm(id, by) {
      const decision = find(id)
      if (by === decision.askedBy) throw new DrydockError('DD-STATE-020', `expected another admin than ${by}, who asked for it, found the same person`, 'have another admin confirm it')
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
