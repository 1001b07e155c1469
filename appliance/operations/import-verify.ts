import type { Preflight } from '../../bundles/format/import-record.ts'
import type { Receipt } from '../../bundles/format/receipt.ts'
import { asDrydockError } from '../core/error.ts'
import { digestOf } from '../core/digest.ts'
import type { SignedReceipt, VolumeSource } from './import-ledger.ts'
import type { Move } from './import-move.ts'
import { LANES, type HeadRead, type ImportDeps, type ImportParams } from './import-steps.ts'
import { importOfSet, joinVolume, type Joined } from './import-volumes.ts'
import type { OperationContext } from './operation-kind.ts'

/** A bundle to go on with, a volume that joined the import of its set, or a bundle whose import had ended well already. */
type Verdict = { preflight: Preflight; missing: string[]; names: string[]; same: boolean } | { joined: Joined } | { promoted: number }

type Found = { id: string; source: string; read: HeadRead | null }

/** A medium that neither answers nor fails. */
const SAYS_NOTHING = 'DD-MEDIA-006'

/** Those who read from one device stand in line with one another, and in nobody else's way. */
export function readingLane({ steps }: Pick<ImportDeps, 'steps'>, { source, upload }: Pick<ImportParams, 'source' | 'upload'>): string {
  return upload ? LANES.front : LANES.reading(steps.placeOf(source))
}

/**
 * Reads the head of a source. What fails is read once more when those are done that were here before: one of them may be the trust that it
 * needs. A device that says nothing at all is not waited for twice.
 * @returns null for a bundle that was taken in already, by this very import
 */
export async function headRead(deps: ImportDeps, context: OperationContext, params: ImportParams, { id, source }: Omit<Found, 'read'>): Promise<HeadRead | null> {
  const read = async (): Promise<HeadRead> => await deps.steps.read(id, source, context.signal)
  const first = await context.step('read-head', async () => await read().catch((failure: unknown) => {
    context.signal.throwIfAborted()
    if (asDrydockError(failure).code === SAYS_NOTHING) throw failure
    return null
  }))
  if (first !== null) return first
  await context.enterLane(LANES.front, 'behind-those-before')
  await context.enterLane(readingLane(deps, params), 'reading-again')
  return await context.step('read-head-again', async () => await read().catch((failure: unknown) => {
    if (isItsOwnMark(deps, id, failure)) return null
    throw failure
  }))
}

/**
 * What the source holds, judged. A volume whose set is being staged at this moment, or waits for its turn with another copy of it, stands
 * behind that and is looked at again: until then nobody knows whether the one that is there already is good.
 */
export async function verified(deps: ImportDeps, context: OperationContext, params: ImportParams, found: Found, move: Move): Promise<Verdict> {
  for (let round = 1; ; round++) {
    const verdict = await context.step(round === 1 ? 'verify' : `verify-${round}`, async () => await verifyNow(deps, context, params, found, move))
    if (!('behind' in verdict)) return verdict
    await context.enterLane(LANES.payload, `behind-its-set-${round}`)
    await context.enterLane(LANES.front, `front-again-${round}`)
  }
}

async function verifyNow(deps: ImportDeps, context: OperationContext, params: ImportParams, { id, source, read }: Found, move: Move): Promise<Verdict | { behind: string }> {
  const before = deps.ledger.get(id)
  const verified = read === null ? undefined : await deps.steps.verify(id, source, read).catch((failure: unknown) => {
    if (isItsOwnMark(deps, id, failure)) return undefined
    throw failure
  })
  if (verified === undefined) return { promoted: outcomeOf(deps.ledger.receipt(id)!).generation }
  const volume = { source, upload: params.upload, fileName: params.fileName, volume: verified.volume, staged: false }
  const isSet = verified.volumeNames.length > 1
  if (isSet && (params.import === null || deps.ledger.volumes(id).every(own => !own.staged))) {
    const into = importOfSet(deps, id, verified.preflight.manifest)
    if (into !== undefined && willBeKnown(deps, into, volume)) return { behind: into }
    if (into !== undefined) return { joined: await joinVolume(deps, id, into, volume) }
  }
  const same = before?.preflight?.manifest === verified.preflight.manifest
  move(verified.missing.length > 0 ? 'parked' : 'verified', {
    preflight: verified.preflight, sequence: verified.preflight.sequence, missing: verified.missing, approvalsNeeded: verified.approvals,
    // Who agreed, agreed to these bytes.
    approvals: same ? (before?.approvals ?? []) : [],
    // And who answered, answered for these: other bytes in their place are brought by whoever takes them up.
    ...(same || (before?.preflight ?? null) === null ? {} : { submittedBy: context.actor }),
  })
  if (isSet && !same) for (const other of deps.ledger.volumes(id)) deps.ledger.dropVolume(id, other.volume)
  if (isSet && !deps.ledger.volumes(id).some(other => other.volume === volume.volume)) deps.ledger.keepVolume(id, volume)
  return { preflight: verified.preflight, missing: verified.missing, names: verified.volumeNames, same }
}

/** Everything was done when the last lines could not be written: what refuses it now is the mark that it has set itself. */
function isItsOwnMark({ ledger }: ImportDeps, id: string, failure: unknown): boolean {
  return ledger.receipt(id) !== undefined && ledger.get(id)?.preflight !== null && asDrydockError(failure).code === 'DD-IMPORT-003'
}

/** Whether the import of its set is about to find out what it wants of this volume. */
function willBeKnown(deps: ImportDeps, into: string, { volume, source }: VolumeSource): boolean {
  const record = deps.ledger.get(into)
  if (record?.state === 'staging') return true
  const other = deps.ledger.volumes(into).find(one => one.volume === volume)
  const unread = other !== undefined && other.source !== source && !other.staged
  // One that waits for a person or for other volumes would have this one stand behind it for ever.
  return unread && ['queued', 'running'].includes(deps.operations.get(record?.operation ?? '')?.state ?? '')
}

/** What the receipt of an import says of how it ended. */
export function outcomeOf({ receipt }: SignedReceipt): { generation: number; receipt: string } {
  return { generation: (JSON.parse(receipt) as Receipt).generation, receipt: digestOf(receipt) }
}
