import { importName, type ImportRecord, type ImportState, type Preflight } from '../../bundles/format/import-record.ts'
import type { Json } from '../../bundles/format/json.ts'
import type { Clock } from '../core/clock.ts'
import { digestOf } from '../core/digest.ts'
import { asDrydockError, DrydockError } from '../core/error.ts'
import { ERRORS } from '../core/errors/table.ts'
import { controlEvents, withoutPayload } from './import-control.ts'
import { moverOf, type Move } from './import-move.ts'
import { decide, LANES, work, type Decision, type ImportDeps, type ImportParams } from './import-steps.ts'
import { headRead, outcomeOf, readingLane, verified } from './import-verify.ts'
import { discardVolumes, parkedUntilAllCame, stageVolumes } from './import-volumes.ts'
import { keptUntil } from './upload-lifetime.ts'
import type { OperationContext, OperationKind } from './operation-kind.ts'

export const IMPORT_KIND = 'import'

/**
 *   found → verifying → refused | parked | verified →(proceed) staging → scanned → awaiting-approval →(approval) promoting → imported
 * Every state is written inside the step that reaches it, so that a run after a kill does not tell an earlier one again.
 */
export function importOperation(deps: ImportDeps): OperationKind<ImportParams> {
  return {
    kind: IMPORT_KIND,
    subject: params => `import:${params.fileName}`,
    lane: params => readingLane(deps, params),
    async run(context, params) {
      const id = params.import ?? context.id
      try {
        return await runImport(deps, context, params, id)
      } catch (failure) {
        await ended(deps, context, params, id, failure)
        throw failure
      }
    },
  }
}

async function runImport(deps: ImportDeps, context: OperationContext, params: ImportParams, id: string): Promise<Json> {
  const { steps } = deps
  const move = moverOf(deps, id)

  const source = await context.step('found', async () => {
    if (params.import !== null) await mayTakeUp(deps, context, id)
    deps.ledger.create(newRecord(id, context, params, deps.clock), params)
    move('verifying', { operation: context.id, error: null })
    return params.upload ? params.source : await steps.resolved(params.source, context.signal, async () => await deps.resolveMedia(params.source))
  })
  context.emit({ type: 'import.found', subject: `import:${params.fileName}`, fields: { bundle: params.fileName, by: context.actor } })

  const read = await headRead(deps, context, params, { id, source })
  await context.enterLane(LANES.front, 'verifying')
  const verdict = await verified(deps, context, params, { id, source, read }, move)
  if ('joined' in verdict) return { import: verdict.joined.into, joined: true, woke: verdict.joined.woke }
  if ('promoted' in verdict) return await end(deps, context, params, id, deps.ledger.get(id)!.preflight!, verdict.promoted, [])
  const { preflight, missing, names } = verdict
  const subject = subjectOf(preflight)
  context.emit({ type: 'import.verified', subject, fields: { stream: preflight.stream, sequence: preflight.sequence, signers: preflight.signers.map(signer => signer.name).join(','), bytes: preflight.size } })

  await parkedUntilComplete(deps, context, id, missing, move)
  if (names.length > 1) await parkedUntilAllCame(deps, context, id, { volumes: preflight.volumes, names }, move)
  // Who went on with another bundle that lay there before has not seen this one.
  const proceed = params.proceed && verdict.same
  if (preflight.control === undefined) await takeIn(deps, context, { id, source, preflight, names, proceed }, move)
  else await withoutPayload(context, deps, { id, source, proceed }, move)

  const agreed = await context.step('approvals', async () => isApproved(deps.ledger.get(id)))
  if (!agreed) decide(await context.waitFor<Decision>('approval'))
  const approvedBy = await context.step('approved', async () => deps.ledger.get(id)!.approvals.map(({ user }) => user))
  context.emit({ type: 'import.approved', subject, fields: { sequence: preflight.sequence, by: approvedBy.join(',') } })

  const { generation, hits } = await context.step('promote', async () => {
    move('promoting')
    return preflight.control === undefined ? { ...(await steps.promote(id)), hits: [] } : await steps.takeEffect(id)
  })
  await context.step('receipt', async () => {
    const signed = await steps.receipt(id, { generation, preflight, submittedBy: deps.ledger.get(id)!.submittedBy, approvedBy, scans: deps.ledger.get(id)!.scans ?? [] })
    deps.ledger.keepReceipt(id, signed)
    return digestOf(signed.receipt)
  })
  // Once the mark is raised this bundle is never taken in again: what is left to do is told by its receipt.
  await context.step('mark', async () => {
    await steps.raiseMark(id)
    return true
  })
  return await end(deps, context, params, id, preflight, generation, hits ?? [])
}

/**
 * Until the run that failed has emptied the staging folder, in another lane; no other run is waited for, since it could stand behind this one. Of two who
 * resume at once, or of one who asks again after a crash, the first takes it up.
 * @throws DD-IMPORT-006 for the others
 */
async function mayTakeUp({ ledger, operations }: ImportDeps, context: OperationContext, id: string): Promise<void> {
  let record = ledger.get(id)
  for (let waitedFor = context.id; record?.state === 'failed' && record.operation !== waitedFor; record = ledger.get(id)) {
    waitedFor = record.operation
    await operations.settled(waitedFor)
  }
  // It was this one, before it was cut off.
  if (record === undefined || record.state === 'failed' || record.operation === context.id) return
  throw new DrydockError('DD-IMPORT-006', `expected an import that is failed to resume, found import ${importName(record)} ${record.state}: it was taken up already`, `see how it stands: drydock import show ${importName(record)}`)
}

const subjectOf = (preflight: Preflight): string => `import:${preflight.control === undefined ? '' : `${preflight.stream}-`}${preflight.sequence}`

/**
 * It is served: that is told, and what is no longer needed goes. `imported` is said only when all has been told: a disk that is full before
 * that leaves an import that failed, which a resume ends, and not one that nobody ever heard of.
 */
async function end(deps: ImportDeps, context: OperationContext, params: ImportParams, id: string, preflight: Preflight, generation: number, hits: Parameters<typeof controlEvents>[2]): Promise<Json> {
  const subject = subjectOf(preflight)
  context.emit({ type: 'import.promoted', subject, fields: { sequence: preflight.sequence, generation } })
  for (const event of controlEvents(id, preflight, hits, deps.ledger)) context.emit(event)
  await context.step('imported', async () => {
    wakeParked(deps)
    moverOf(deps, id)('imported', { ...outcomeOf(deps.ledger.receipt(id)!), missing: [] })
    return true
  })
  await context.step('clean', async () => {
    await deps.steps.clean(id)
    if (params.upload) await deps.discardUpload(params.source)
    await discardVolumes(deps, id)
    return true
  })
  return { import: id, generation }
}

/** The payload of a bundle of content: staged, looked into, and shown to those who approve. */
async function takeIn(deps: ImportDeps, context: OperationContext, { id, source, preflight, names, proceed }: { id: string; source: string; preflight: Preflight; names: readonly string[]; proceed: boolean }, move: Move): Promise<void> {
  const { steps } = deps
  if (!proceed) decide(await context.waitFor<Decision>('proceed'))

  if (names.length > 1) await stageVolumes(deps, context, id, preflight, { volumes: preflight.volumes, names }, move)
  else {
    await context.enterLane(LANES.payload, 'payload')
    await context.step('stage', async () => {
      move('staging')
      const staged = await steps.stage(id, source, work(deps, context, 'stage', 'bytes'))
      await steps.finishStaging(id)
      return staged
    })
  }

  const blockers = await context.step('scan', async () => {
    const { findings, scans } = await steps.scan(id, work(deps, context, 'scan', 'items'))
    const stops = findings.filter(finding => finding.severity === 'blocker')
    move('scanned', { scans, preflight: { ...preflight, findings: [...preflight.findings.filter(finding => finding.code === 'sequence-jump'), ...findings] } })
    return stops.map(finding => `${finding.item}: ${finding.text}`)
  })
  // What people answer from here on does not wait behind the payload of others.
  await context.enterLane(LANES.front, 'front')
  await context.step('judged', async () => {
    move(blockers.length > 0 ? 'quarantined' : 'awaiting-approval')
    return true
  })
  if (blockers.length > 0) {
    decide(await context.waitFor<Decision>('quarantine'))
    throw new DrydockError('DD-IMPORT-009', `expected no blocking findings, found ${blockers.length} (${blockers[0]})`, 'have the sender correct the bundle')
  }
}

/** A delta waits until what it stands on is here; every import that ends well wakes it to look again. */
async function parkedUntilComplete(deps: ImportDeps, context: OperationContext, id: string, first: string[], move: Move): Promise<void> {
  let missing = first
  for (let round = 1; missing.length > 0; round++) {
    decide(await context.waitFor<Decision>(`blobs-${round}`))
    missing = await context.step(`missing-${round}`, async () => {
      const still = await deps.steps.missing(id)
      move(still.length > 0 ? 'parked' : 'verified', { missing: still })
      return still
    })
  }
}

function wakeParked(deps: ImportDeps): void {
  for (const record of deps.ledger.list()) {
    if (record.state !== 'parked') continue
    const waitingOn = deps.operations.get(record.operation)?.waitingOn
    if (waitingOn?.startsWith('blobs-') === true) deps.operations.signal(record.operation, waitingOn, { go: true })
  }
}

export function isApproved(record: ImportRecord | undefined): boolean {
  return record !== undefined && record.approvals.length >= record.approvalsNeeded
}

/** The record of an import whose run failed: the state says who or what ended it. Nothing stays staged; a failed one keeps its upload for resume. */
async function ended(deps: ImportDeps, context: OperationContext, params: ImportParams, id: string, failure: unknown): Promise<void> {
  const error = asDrydockError(failure)
  const state = endState(error, context.signal.aborted, params.upload)
  const record = deps.ledger.get(id)
  // Another run has it, whose staging folder this is.
  if (record !== undefined && record.operation !== context.id) return
  // It was promoted: nothing that fails afterwards takes that back, and a resume goes on from there.
  if (record === undefined || record.state === 'imported' || deps.ledger.joined(id) !== undefined) return
  const uploaded = params.upload || deps.ledger.volumes(id).some(({ upload }) => upload)
  moverOf(deps, id)(state, { error: error.toJSON(), reason: error.code === 'DD-IMPORT-008' ? error.message : null, ...(state === 'failed' ? { uploadKeptUntil: uploaded ? keptUntil(deps.clock.now()) : null } : {}) })
  if (state === 'refused' || state === 'rejected') {
    context.emit({ type: `import.${state}`, subject: `import:${record.sequence ?? params.fileName}`, fields: { bundle: params.fileName, code: error.code, message: error.message } })
  }
  // Volumes that were verified and staged need not be brought again for a resume.
  if (state !== 'failed' || deps.ledger.volumes(id).length === 0) await deps.steps.clean(id)
  if (state !== 'failed') await discardVolumes(deps, id)
  if (params.upload && state !== 'failed') await deps.discardUpload(params.source)
}

/** A medium that ended in the middle can be put in again; an upload of ours stays as short as it is. */
const CUT_SHORT = 'DD-BUNDLE-005'

function endState(error: DrydockError, cancelled: boolean, upload: boolean): ImportState {
  if (error.code === 'DD-IMPORT-008') return 'rejected'
  if (cancelled) return 'cancelled'
  return ERRORS[error.code].exit === 3 && (!error.retryable || (upload && error.code === CUT_SHORT)) ? 'refused' : 'failed'
}

export function newRecord(id: string, by: { id: string; actor: string }, params: Pick<ImportParams, 'fileName' | 'source' | 'upload'>, clock: Clock): ImportRecord {
  const at = clock.now().toISOString()
  return {
    id, operation: by.id, state: 'found', source: params.fileName, brought: params.upload ? { how: 'upload', path: null } : { how: 'path', path: params.source }, submittedBy: by.actor, at, updatedAt: at, sequence: null, preflight: null,
    approvals: [], approvalsNeeded: 1, missing: [], generation: null, receipt: null, error: null, reason: null,
  }
}
