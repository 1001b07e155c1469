import type { Preflight } from '../../bundles/format/import-record.ts'
import type { Receipt } from '../../bundles/format/receipt.ts'
import { asDrydockError } from '../core/error.ts'
import { digestOf } from '../core/digest.ts'
import type { SignedReceipt, VolumeSource } from './import-ledger.ts'
import type { Move } from './import-move.ts'
import { LANES, type ImportDeps, type ImportParams } from './import-steps.ts'
import { importOfSet, joinVolume, type Joined } from './import-volumes.ts'
import type { OperationContext } from './operation-kind.ts'

/** A bundle to go on with, a volume that joined the import of its set, or a bundle whose import had ended well already. */
type Verdict = { preflight: Preflight; missing: string[]; names: string[]; same: boolean } | { joined: Joined } | { promoted: number }

/**
 * What the source holds, judged. A volume whose set is being staged at this moment, or waits for its turn with another copy of it, stands
 * behind that and is looked at again: until then nobody knows whether the one that is there already is good.
 */
export async function verified(deps: ImportDeps, context: OperationContext, params: ImportParams, found: { id: string; source: string }, move: Move): Promise<Verdict> {
  for (let round = 1; ; round++) {
    const verdict = await context.step(round === 1 ? 'verify' : `verify-${round}`, async () => await verifyNow(deps, context, params, found, move))
    if (!('behind' in verdict)) return verdict
    await context.enterLane(LANES.payload, `behind-its-set-${round}`)
    await context.enterLane(LANES.front, `front-again-${round}`)
  }
}

async function verifyNow(deps: ImportDeps, context: OperationContext, params: ImportParams, { id, source }: { id: string; source: string }, move: Move): Promise<Verdict | { behind: string }> {
  const before = deps.ledger.get(id)
  const promoted = deps.ledger.receipt(id)
  const verified = await deps.steps.verify(id, source).catch((failure: unknown) => {
    // Its own mark: everything was done when the last lines could not be written.
    if (promoted !== undefined && before?.preflight !== null && asDrydockError(failure).code === 'DD-IMPORT-003') return undefined
    throw failure
  })
  if (verified === undefined) return { promoted: outcomeOf(promoted!).generation }
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
