import type { Clock } from '../core/clock.ts'
import { digestOf, hexOf } from '../core/digest.ts'
import { DrydockError } from '../core/error.ts'
import type { AuditLog } from '../model/audit.ts'
import type { EventSink, NewEvent } from '../model/event.ts'
import type { Alarm, Dismissal, Dismissals, DismissalState } from '../model/dismissal.ts'
import type { Policy } from '../model/desired.ts'

/** False alarms that wait or are in force; desired state is written whole with each change. */
export const DISMISSALS = 1000

export type DismissalsDeps = {
  /** A part of desired state: people decide it. */
  store: { read(): Readonly<Record<string, Dismissal>>; update(change: (draft: Record<string, Dismissal>) => void): Promise<unknown> }
  policy: () => Policy
  clock: Clock
  audit: Pick<AuditLog, 'record'>
  events: EventSink
}
/** A finding as it stands: what can be dismissed. */
export type Claimable = Alarm & Pick<Dismissal, 'text' | 'items'>

/** Ended ones make place for new ones; their story is in the audit log. */
const CLOSED: ReadonlySet<DismissalState> = new Set(['rejected', 'ended'])

/** The same for the same scanner, signature and bytes, on every appliance. */
export function alarmId({ scanner, what, digest }: Alarm): string {
  return hexOf(digestOf(`${scanner}\0${what}\0${digest}`)).slice(0, ID_LENGTH)
}

/** Enough that nobody finds two alarms of one id; that they are the same alarm is asked for all the same (`claimFor`). */
const ID_LENGTH = 32

/** As told to an approver: `dismissed as a false alarm by ana, agreed to by paul: built here`. */
export function dismissalText({ by, approvals, reason }: Dismissal): string {
  return `dismissed as a false alarm by ${by}${approvals.length === 0 ? '' : `, agreed to by ${approvals.map(({ user }) => user).join(', ')}`}: ${reason}`
}

/**
 * A finding in what is served that is none, because people who looked say so: as many as the site wants for an import, and with its rule whether the one who
 * says it counts as one of them. To take it back needs one person, since the alarm is the safe side.
 */
export function createDismissals({ store, policy, clock, audit, events, find }: DismissalsDeps & { /** The finding of this id that stands. */ find: (finding: string) => Claimable | undefined }): Dismissals {
  function known(id: string): Dismissal {
    const found = store.read()[id]
    if (found === undefined) throw new DrydockError('DD-IMPORT-041', `expected a false alarm of id ${id}, found none`, 'list them: drydock dismissal list')
    return found
  }

  /** Judged, and written down, when its turn has come: of what stands there then. */
  async function put(id: string, change: (before: Dismissal | undefined) => Dismissal, actor: string, actionOf: (next: Dismissal) => 'claimed' | 'approved' | 'dismissed' | 'rejected' | 'ended', reason: string): Promise<Dismissal> {
    let told: NewEvent | undefined
    await store.update(draft => {
      const next = change(draft[id])
      const type = `dismissal.${actionOf(next)}`
      const fields = { scanner: next.scanner, found: next.what, digest: next.digest, items: next.items.join(', '), claimedBy: next.by, reason, ...(next.approvals.length === 0 ? {} : { agreed: next.approvals.map(({ user }) => user).join(', ') }) }
      // No record, no effect.
      audit.record({ actor, action: type, subject: `dismissal:${next.id}`, outcome: 'allowed', fields })
      told = { type, subject: `item:${next.items[0] ?? 'store'}`, actor, fields }
      draft[id] = next
      const closed = Object.values(draft).filter(({ id: other, state }) => CLOSED.has(state) && other !== id).toSorted((a, b) => (a.at < b.at ? -1 : 1))
      for (const { id: other } of closed.slice(0, Math.max(0, Object.keys(draft).length - DISMISSALS))) delete draft[other]
    })
    if (told !== undefined) events.emit(told)
    return known(id)
  }

  async function close(id: string, state: 'rejected' | 'ended', reason: string, actor: string): Promise<Dismissal> {
    const closed = { by: actor, at: clock.now().toISOString(), reason }
    const change = (before: Dismissal = known(id)): Dismissal => {
      if (CLOSED.has(before.state)) throw wrongState(before, 'waiting or dismissed')
      return { ...before, state, closed }
    }
    return await put(id, change, actor, () => state, reason)
  }

  return {
    list: () => Object.values(store.read()).toSorted((a, b) => (a.at < b.at ? 1 : -1)),
    async claim(finding, reason, actor) {
      const alarm = find(finding)
      if (alarm === undefined) throw new DrydockError('DD-IMPORT-041', `expected the id of a finding that stands, found ${finding}`, 'list them: drydock scanner findings; what only warns needs no dismissing')
      const { scanner, what, digest, text, items } = alarm
      const id = alarmId(alarm)
      const open = Object.values(store.read()).filter(({ state }) => !CLOSED.has(state)).length
      if (open >= DISMISSALS) throw new DrydockError('DD-IMPORT-044', `expected at most ${DISMISSALS} false alarms in force, found ${open}`, 'end those that are no longer found: drydock dismissal list; or bring newer definitions')
      const { approvals } = policy()
      const next: Dismissal = { id, scanner, what, digest, text, items, state: approvals === 0 ? 'dismissed' : 'waiting', reason, by: actor, at: clock.now().toISOString(), approvals: [], approvalsNeeded: approvals, closed: null }
      const change = (before: Dismissal | undefined): Dismissal => {
        if (before !== undefined && !CLOSED.has(before.state)) throw wrongState(before, 'not claimed yet')
        return next
      }
      return await put(id, change, actor, ({ state }) => (state === 'waiting' ? 'claimed' : 'dismissed'), reason)
    },
    async approve(id, actor) {
      const at = clock.now().toISOString()
      const change = (before: Dismissal = known(id)): Dismissal => {
        if (before.state !== 'waiting') throw wrongState(before, 'waiting')
        if (actor === before.by && policy().separate) throw new DrydockError('DD-IMPORT-043', `expected an approver other than ${actor}, who says that it is a false alarm, found the same person`, 'ask another person with the approver role')
        if (before.approvals.some(({ user }) => user === actor)) throw new DrydockError('DD-IMPORT-043', `expected another approver beside ${actor}, found the same person again`, `${before.approvalsNeeded} different people must agree`)
        const approvals = [...before.approvals, { user: actor, at }]
        return { ...before, approvals, state: approvals.length >= before.approvalsNeeded ? 'dismissed' : 'waiting' }
      }
      return await put(id, change, actor, ({ state }) => (state === 'dismissed' ? 'dismissed' : 'approved'), known(id).reason)
    },
    reject: (id, reason, actor) => close(id, 'rejected', reason, actor),
    end: (id, reason, actor) => close(id, 'ended', reason, actor),
  }
}

/** What people say of exactly this: a name of 128 bits is a place to look, not a proof. */
export function claimFor(all: Readonly<Record<string, Dismissal>>, alarm: Alarm): Dismissal | undefined {
  const found = all[alarmId(alarm)]
  return found !== undefined && found.scanner === alarm.scanner && found.what === alarm.what && found.digest === alarm.digest ? found : undefined
}

/** What is in force for these bytes, by this scanner, of this name. */
export function dismissalIn(store: Pick<DismissalsDeps['store'], 'read'>, alarm: Alarm): Dismissal | undefined {
  const found = claimFor(store.read(), alarm)
  return found?.state === 'dismissed' ? found : undefined
}

function wrongState({ id, state, by, reason }: Dismissal, wanted: string): DrydockError {
  return new DrydockError('DD-IMPORT-042', `expected a false alarm that is ${wanted}, found ${id} ${state}, claimed by ${by}: ${reason}`, NEXT[state].replace('ID', id))
}

const NEXT = {
  waiting: 'another person agrees with drydock dismissal approve ID, or turns it down with drydock dismissal reject ID',
  dismissed: 'it alarms again after drydock dismissal end ID',
  rejected: 'it alarms already; claim it again with drydock dismissal new ID',
  ended: 'it alarms already; claim it again with drydock dismissal new ID',
} as const satisfies Record<DismissalState, string>
