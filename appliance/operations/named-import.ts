import { importName, type ImportRecord, type ImportState } from '../../bundles/format/import-record.ts'
import { DrydockError } from '../core/error.ts'
import { isMachine } from '../model/machine-actor.ts'

/** What a person wants of an import, and in which states it can be had. */
const FITS = {
  look: () => true,
  proceed: ({ state, submittedBy }: ImportRecord) => state === 'verified' || (state === 'awaiting-approval' && isMachine(submittedBy)),
  approve: ({ state }: ImportRecord) => state === 'awaiting-approval',
  reject: ({ state }: ImportRecord) => ['parked', 'verified', 'quarantined', 'awaiting-approval', 'failed'].includes(state),
  resume: ({ state }: ImportRecord) => state === 'failed',
} satisfies Record<string, (record: ImportRecord) => boolean>
export type Wish = keyof typeof FITS

/** The further it got, the likelier it is meant: once one of a number is in, the others of its epoch can never be. */
const FURTHEST: readonly ImportState[] = ['imported', 'promoting', 'awaiting-approval', 'scanned', 'staging', 'quarantined', 'verified', 'parked', 'verifying', 'found', 'failed', 'refused', 'rejected', 'cancelled']

/**
 * The import that `7`, or `trust-2` with the stream in front, means to somebody with this wish. A bundle that is brought twice, or refused and
 * then signed, has several of one name: the one with which it can be done is meant, else the one that got furthest in the highest epoch, of
 * equals the one with more approvals, so that these do not scatter, then the newest (`records` are newest first). A bare number means content first.
 * @throws DD-IMPORT-025 rather than deciding about one that the person may not have looked at.
 */
export function namedImport(records: readonly ImportRecord[], text: string, wish: Wish): ImportRecord | undefined {
  const named = records.filter(({ sequence, preflight }) => sequence !== null && (String(sequence) === text || `${preflight?.stream}-${sequence}` === text))
  const content = named.filter(({ preflight }) => preflight?.control === undefined)
  const same = (content.length > 0 ? content : named).toSorted((a, b) => epochOf(b) - epochOf(a) || FURTHEST.indexOf(a.state) - FURTHEST.indexOf(b.state) || b.approvals.length - a.approvals.length)
  if (wish === 'look') return same[0]
  const fitting = same.filter(FITS[wish])
  // One that failed only waits to be taken up or given up: those that live come first.
  const living = fitting.filter(({ state }) => state !== 'failed')
  const meant = living.length > 0 ? living : fitting
  const manifests = new Set(meant.map(({ preflight }) => preflight?.manifest))
  if (manifests.size > 1 || (wish === 'reject' && meant.length > 1)) throw severalOf(meant, wish)
  return meant[0] ?? same[0]
}

function epochOf({ preflight }: ImportRecord): number {
  return preflight?.epoch ?? 0
}

function severalOf(records: readonly ImportRecord[], wish: Wish): DrydockError {
  const name = importName(records[0]!)
  const told = records.map(({ id, state, submittedBy, at, preflight }) => `${id} (${state}, brought by ${submittedBy} at ${at.slice(0, 19).replace('T', ' ')}, manifest ${preflight?.manifest.slice(7, 19)})`)
  return new DrydockError('DD-IMPORT-025', `expected one import ${name} to ${wish}, found ${records.length}: ${told.join(', ')}`, `name the one that you mean by its id: drydock import ${wish} ${records[0]!.id}`)
}
