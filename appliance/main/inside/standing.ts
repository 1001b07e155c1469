import type { ImportRecord } from '../../../bundles/format/import-record.ts'
import { TRUST_ROLES } from '../../../bundles/format/trust.ts'
import { isBehind, loadTrust, type Marks, type TrustedKeys } from '../../../importer/verify/index.ts'
import { keyState } from '../../../bundles/openpgp/index.ts'
import type { Clock } from '../../core/clock.ts'
import { DrydockError } from '../../core/error.ts'
import type { Log } from '../../core/log.ts'
import type { AuditLog } from '../../model/audit.ts'
import type { DesiredStore } from '../../model/desired.ts'
import type { EventSink } from '../../model/event.ts'
import type { ClockView, SignedImport, TrustView } from '../../model/standing.ts'
import type { Deciding } from '../../operations/decisions.ts'
import { importsSignedBy } from '../../operations/import-control.ts'
import type { TrustedTime } from '../../state/trusted-time.ts'
import { BUILD } from './build.ts'

type Trusting = { desired: Pick<DesiredStore, 'read'>; marks: Marks }

const inForce = async ({ desired }: Pick<Trusting, 'desired'>): Promise<TrustedKeys> => await loadTrust(desired.read().trust)

/**
 * At the start, before any bundle is judged: marks that an older Drydock made get the trust in force; an older trust than the marked one
 * came with a backup, and is told in the log, in the audit log and as an event. Nothing stops: what is served is served.
 */
export async function checkTrust(deps: Trusting & { audit: Pick<AuditLog, 'record'>; events: EventSink; log: Log }): Promise<void> {
  const trust = await inForce(deps)
  const mark = deps.marks.trust()
  if (mark === undefined) {
    deps.audit.record({ actor: 'drydock', action: 'trust.marked', subject: 'trust', outcome: 'allowed', fields: { version: trust.version, digest: trust.digest } })
    return await deps.marks.raiseTrust({ version: trust.version, digest: trust.digest })
  }
  if (!isBehind(trust, mark)) return
  const fields = { found: trust.version, marked: mark.version, digest: trust.digest }
  deps.log.error({ code: 'DD-TRUST-019', ...fields }, 'an older trust came back with a backup: no bundle is judged until the newer one is here again')
  deps.audit.record({ actor: 'drydock', action: 'trust.behind', subject: 'trust', outcome: 'refused', fields })
  deps.events.emit({ type: 'trust.behind', subject: 'trust', fields })
}

export async function trustView(deps: Trusting & { imports: { list(): ImportRecord[] } }): Promise<TrustView> {
  const trust = await inForce(deps)
  const { document } = trust
  const mark = deps.marks.trust()
  const records = deps.imports.list()
  const pending = records.filter(({ state, preflight }) => preflight?.trust !== undefined && ['verified', 'awaiting-approval', 'promoting', 'failed'].includes(state))
  return {
    version: document.version,
    digest: trust.digest,
    behind: mark !== undefined && isBehind(trust, mark) ? { marked: mark.version, digest: mark.digest } : null,
    keys: await Promise.all(trust.keys.map(async key => {
      const { revoked, ends } = await keyState(key)
      const roles = TRUST_ROLES.filter(role => trust.role(role).fingerprints.has(key.fingerprint))
      return { fingerprint: key.fingerprint, name: trust.nameOf(key), created: key.created.toISOString(), ends: ends?.toISOString() ?? null, roles, revoked: revoked || trust.isRevoked(key), bundles: importsSignedBy(records, key.fingerprint).length }
    })),
    roles: document.roles,
    pending: pending.map(({ id, preflight, approvals, approvalsNeeded, submittedBy }) => ({ import: id, from: preflight!.trust!.from, to: preflight!.trust!.to, approvals: approvals.length, approvalsNeeded, submittedBy })),
  }
}

export function signedImports(records: readonly ImportRecord[], fingerprint: string): SignedImport[] {
  return importsSignedBy(records, fingerprint).map(({ id, preflight, updatedAt, generation }) => ({ import: id, stream: preflight!.stream, sequence: preflight!.sequence, at: updatedAt, generation }))
}

export function clockView(deps: { wall: Clock; clock: TrustedTime; marks: Pick<Marks, 'floor'>; lastAudit: () => Date | undefined }): ClockView {
  return {
    wall: deps.wall.now().toISOString(),
    trusted: deps.clock.now().toISOString(),
    floor: deps.clock.floor().toISOString(),
    build: BUILD.date.toISOString(),
    newestBundle: deps.marks.floor()?.toISOString() ?? null,
    lastAudit: deps.lastAudit()?.toISOString() ?? null,
    wrong: deps.clock.wrongClock() !== null,
  }
}

/** The floor of trusted time by hand, up or down: one wrong clock must not expire every key for ever. The build's date stays the least. */
export function clockReset(deps: { wall: Clock; clock: TrustedTime; marks: Pick<Marks, 'resetFloor'>; forgetAudit: () => void }): Deciding {
  const parsed = (to: string | null): Date => {
    const at = new Date(to ?? '')
    if (to === null || Number.isNaN(at.getTime())) throw new DrydockError('DD-CLI-011', `expected a time like 2026-11-21T08:00:00Z for the floor of trusted time, found ${JSON.stringify(to)}`, 'drydock clock reset --to 2026-11-21T08:00:00Z')
    if (at < BUILD.date) throw new DrydockError('DD-CLI-011', `expected a floor at or after this build (${BUILD.date.toISOString()}), found ${at.toISOString()}`, 'no time before the build can be right')
    return at
  }
  return {
    says(to) {
      const at = parsed(to)
      const ahead = at > deps.wall.now() ? '; that is ahead of the machine\'s clock: until it is past, no bundle is judged, and what ends by then (sessions, tokens, certificates) has ended' : ''
      return `trusted time begins again at ${at.toISOString()} (its floor is ${deps.clock.floor().toISOString()} now)${ahead}`
    },
    async act(to) {
      await deps.marks.resetFloor(parsed(to))
      // What was recorded under the old floor no longer holds time up; the record of this decision is the last one from here on.
      deps.forgetAudit()
    },
  }
}

/** The trust that a backup brought back counts from now on, although a newer one was in force: when the bundles since then are lost. */
export function trustAccept(deps: Trusting): Deciding {
  return {
    says() {
      const { version } = deps.desired.read().trust
      const mark = deps.marks.trust()
      if (mark === undefined || version > mark.version) throw notBehind()
      return `trust version ${version} counts, although version ${mark.version} (${mark.digest}) was in force: keys that were revoked since are believed again`
    },
    async act() {
      const trust = await inForce(deps)
      if (!isBehind(trust, deps.marks.trust())) throw notBehind()
      await deps.marks.acceptTrust({ version: trust.version, digest: trust.digest })
    },
  }
}

function notBehind(): DrydockError {
  return new DrydockError('DD-CLI-011', 'expected a trust that is behind the one that was in force here, found the newest', 'nothing to do: drydock trust show')
}
