import { createHash } from 'node:crypto'
import { rm, statfs } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { importName, type ImportRecord, type ImportState } from '../../bundles/format/import-record.ts'
import type { Clock } from '../core/clock.ts'
import { byteText } from '../core/byte-text.ts'
import { ensureFolder, openDurable } from '../core/durable-file.ts'
import { DrydockError } from '../core/error.ts'
import { isMachine } from '../model/machine-actor.ts'
import type { Operation } from '../model/operation.ts'
import type { Imports, Request } from '../model/use-cases.ts'
import { importOperation, isApproved, newRecord } from './import.ts'
import { moverOf } from './import-move.ts'
import type { Decision, ImportParams, ImportSteps } from './import-steps.ts'
import type { ImportLedger } from './import-ledger.ts'
import { isOver } from './import-leftovers.ts'
import { namedImport, type Wish } from './named-import.ts'
import { discardVolumes } from './import-volumes.ts'
import { hasExpired, UPLOAD_DAYS, type UploadUpkeep } from './upload-lifetime.ts'
import type { Operations } from './operation-kind.ts'

/** What an upload leaves free, so that it cannot stop the audit log or a state write. */
const FREE_BYTES = 128 * 1024 * 1024
const LOOK_EVERY_BYTES = 16 * 1024 * 1024

export type ImportsDeps = {
  operations: Operations
  /** createImporter(…) of importer/stage */
  steps: ImportSteps
  ledger: ImportLedger
  clock: Clock
  /** DATA/staging */
  stagingDir: string
  /** resolveMedia of importer/media over the configured roots. @throws DD-IMPORT-013 */
  resolveMedia: (path: string) => Promise<string>
  /** Whether the submitter may not approve; asked each time. Default: so it is. */
  separate?: () => boolean
}

export function createImports(deps: ImportsDeps): Imports & UploadUpkeep {
  const { operations, ledger } = deps
  const kind = importOperation({ ...deps, discardUpload: source => discardUpload(deps.stagingDir, source) })
  operations.register(kind)

  function find(id: string, wish: Wish = 'look'): ImportRecord {
    const record = ledger.get(id) ?? namedImport(ledger.list(), id, wish)
    if (record === undefined) throw new DrydockError('DD-IMPORT-002', `expected an import of id or sequence ${JSON.stringify(id)}, found none`, 'list them: drydock import list')
    return healed(record)
  }

  /** An operation that failed where not even its record could be written (a disk that is full or breaks) left it in the middle: now it has failed too. */
  function healed(record: ImportRecord): ImportRecord {
    if (record.state === 'failed' || isOver(record.state)) return record
    const operation = operations.get(record.operation)
    if (operation?.state !== 'failed' || operation.error === null) return record
    return moverOf(deps, record.id)('failed', { error: operation.error })
  }

  function submit(params: ImportParams, request: Request): Operation {
    const operation = operations.submit(kind, params, request)
    ledger.create(newRecord(params.import ?? operation.id, operation, params, deps.clock), params)
    return operation
  }

  function answer(record: ImportRecord, waitingOn: string, decision: Decision): void {
    operations.signal(record.operation, waitingOn, decision)
  }

  /**
   * What came by itself has no submitter. The first person who lets it go on takes that place and answers for it, so that it needs as many
   * different people as what a person brought; those who approve come after.
   */
  function answersFor(record: ImportRecord, actor: string): ImportRecord {
    return ledger.update(record.id, { submittedBy: actor })
  }

  /** Nobody takes it up again; an upload that was kept for that gives its space back. */
  async function giveUp(record: ImportRecord, reason: string): Promise<ImportRecord> {
    const { source, upload } = ledger.submission(record.id)
    if (upload) await discardUpload(deps.stagingDir, source)
    await discardVolumes({ ledger, discardUpload: path => discardUpload(deps.stagingDir, path) }, record.id)
    await deps.steps.clean(record.id)
    return moverOf(deps, record.id)('rejected', { reason })
  }

  return {
    async expireUploads() {
      for (const record of ledger.list()) if (hasExpired(record, ledger, deps.clock.now())) await giveUp(record, `nobody took it up again for ${UPLOAD_DAYS} days: what was uploaded is removed`)
    },
    list: () => ledger.list().map(healed),
    get: id => find(id),
    submitPath: (path, request) => submit({ import: null, source: path, upload: false, fileName: basename(path), proceed: false }, request),
    async submitStream(body, fileName, request) {
      // Asked again, because the answer was lost: the bytes are here, and may be under way or gone by now.
      const known = operations.known(request)
      if (known?.kind === kind.kind) return known
      const name = /^[A-Za-z0-9._-]{1,128}$/.test(fileName) && !fileName.startsWith('.') ? fileName : 'upload.drydock'
      // One request, one file, however often it is repeated.
      const folder = join(uploadsIn(deps.stagingDir), createHash('sha256').update(`${request.actor}\0${request.idempotencyKey}`).digest('hex').slice(0, 32))
      const source = join(folder, name)
      await ensureFolder(folder, 0o700)
      await receive(body, source)
      return submit({ import: null, source, upload: true, fileName: name, proceed: false }, request)
    },
    async proceed(id, actor) {
      const record = find(id, 'proceed')
      if (record.state === 'awaiting-approval' && isMachine(record.submittedBy)) return answersFor(record, actor)
      if (record.state !== 'verified') throw wrongState(record, 'verified', 'go on with')
      if (isMachine(record.submittedBy)) answersFor(record, actor)
      answer(record, 'proceed', { go: true })
      return find(record.id)
    },
    async approve(id, actor) {
      const record = find(id, 'approve')
      if (record.state !== 'awaiting-approval') throw wrongState(record, 'awaiting-approval', 'approve')
      // A new trust or a recall that came by itself is asked about no earlier than here.
      if (isMachine(record.submittedBy)) return answersFor(record, actor)
      if (actor === record.submittedBy && (deps.separate?.() ?? true)) throw new DrydockError('DD-IMPORT-007', `expected an approver other than ${actor}, who submitted it, found the same person`, 'ask another person with the approver role')
      const known = record.approvals.some(({ user }) => user === actor)
      if (known && !isApproved(record)) throw new DrydockError('DD-IMPORT-007', `expected another approver beside ${actor}, found the same person again`, `${record.approvalsNeeded} different people must approve this import`)
      const next = known ? record : ledger.update(record.id, { approvals: [...record.approvals, { user: actor, at: deps.clock.now().toISOString() }] })
      if (isApproved(next)) answer(next, 'approval', { go: true })
      return next
    },
    async reject(id, reason, actor) {
      const record = find(id, 'reject')
      if (record.state === 'failed') return await giveUp(record, reason)
      const operation = operations.get(record.operation)
      // Somebody went on with it, and it stands behind another: nobody would hear this answer, and whoever waits for the outcome waits long.
      if (operation?.state === 'queued') {
        throw new DrydockError('DD-IMPORT-006', `expected an import that waits for a person to reject, found import ${importName(record)} waiting for its turn`, `stop it before it begins: drydock operation cancel ${operation.id}`)
      }
      const waitingOn = waitOf(record) ?? operation?.waitingOn ?? undefined
      if (waitingOn === undefined) throw wrongState(record, 'waiting for a person', 'reject')
      answer(record, waitingOn, { reject: reason, by: actor })
      await operations.settled(record.operation)
      return find(record.id)
    },
    resume(id, request, from) {
      const record = find(id, 'resume')
      if (record.state !== 'failed') throw wrongState(record, 'failed', 'resume')
      const volumes = ledger.volumes(record.id)
      const { source, upload, fileName } = volumes.find(volume => volume.source === from) ?? volumes.find(volume => !volume.staged) ?? volumes[0] ?? ledger.submission(record.id)
      // What came by itself still waits for a person to answer for it.
      return submit({ source, upload, fileName, import: record.id, proceed: record.preflight !== null && !isMachine(record.submittedBy) }, request)
    },
    receipt(id) {
      const record = find(id)
      const signed = ledger.receipt(record.id)
      if (signed === undefined) throw new DrydockError('DD-IMPORT-014', `expected a receipt of import ${importName(record)}, found it ${record.state}`, `the receipt is made when the import is done: drydock import show ${importName(record)}`)
      return signed
    },
  }
}

function uploadsIn(stagingDir: string): string {
  return join(stagingDir, 'uploads')
}

/** Deletes an upload with the folder that was made for it; never anything else. */
async function discardUpload(stagingDir: string, source: string): Promise<void> {
  const folder = dirname(source)
  if (dirname(folder) === uploadsIn(stagingDir)) await rm(folder, { recursive: true, force: true })
}

/** Where what people are asked is answered. */
function waitOf(record: ImportRecord): string | undefined {
  if (record.state === 'verified') return 'proceed'
  if (record.state === 'quarantined') return 'quarantine'
  return record.state === 'awaiting-approval' ? 'approval' : undefined
}

function wrongState(record: ImportRecord, wanted: string, what: string): DrydockError {
  const name = importName(record)
  const next = NEXT[record.state]
  return new DrydockError('DD-IMPORT-006', `expected an import that is ${wanted} to ${what}, found import ${name} ${record.state}`, next === undefined ? `see how it stands: drydock import show ${name}` : `what it waits for: ${next.replace('NAME', name)}`)
}

/** What can be done with an import in this state. */
const NEXT: Partial<Record<ImportState, string>> = {
  parked: 'what it misses, as drydock import show NAME names it', verified: 'drydock import proceed NAME', 'awaiting-approval': 'drydock import approve NAME', quarantined: 'drydock import reject NAME --reason …', failed: 'drydock import resume NAME',
}

async function receive(body: AsyncIterable<Uint8Array>, path: string): Promise<void> {
  const file = await openDurable(path)
  let unlooked = LOOK_EVERY_BYTES
  try {
    for await (const chunk of body) {
      unlooked += chunk.length
      if (unlooked >= LOOK_EVERY_BYTES) {
        await checkFree(dirname(path))
        unlooked = 0
      }
      await file.write(chunk)
    }
    await file.commit()
  } finally {
    await file.discard()
  }
}

async function checkFree(folder: string): Promise<void> {
  const disk = await statfs(folder)
  const free = disk.bavail * disk.bsize
  if (free >= FREE_BYTES) return
  throw new DrydockError('DD-IMPORT-012', `expected ${byteText(FREE_BYTES)} to stay free during the upload, found ${byteText(free)}`, 'free space on the data volume, or put the bundle on media under a media root')
}
