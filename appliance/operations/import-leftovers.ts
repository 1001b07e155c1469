import { readdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isErrno } from '../core/error.ts'
import type { ImportState } from '../../bundles/format/import-record.ts'
import type { ImportLedger } from './import-ledger.ts'
import type { Operations } from './operation-kind.ts'

/** States in which nothing of an import is needed any more; a failed one can be taken up again. */
const OVER: readonly ImportState[] = ['imported', 'refused', 'rejected', 'cancelled']
const IMPORT_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/

export function isOver(state: ImportState): boolean {
  return OVER.includes(state)
}

/** What a set that is parked waits on: volumes, or better ones of them. */
const LOOKS_AGAIN = /^(volumes|again)-\d+$/

/** What a start does for imports before the operations go on. */
export async function recoverImports(stagingDir: string, ledger: ImportLedger, operations: Pick<Operations, 'list' | 'get' | 'signal'>): Promise<void> {
  await removeLeftovers(stagingDir, ledger, operations)
  // Who brought a volume may have been cut off after it was kept and before saying so: then more are here than the import knows of.
  for (const { id, operation, state, missing, preflight } of ledger.list()) {
    const waitingOn = state === 'parked' ? (operations.get(operation)?.waitingOn ?? '') : ''
    const hasMore = ledger.volumes(id).length + missing.length > (preflight?.volumes ?? 0)
    if (hasMore && LOOKS_AGAIN.test(waitingOn)) operations.signal(operation, waitingOn, { go: true })
  }
}

/**
 * What a kill or a power cut left in DATA/staging and no import will ever ask for: an upload that was cut off in the middle,
 * or one that was whole before anybody could submit it. A bundle of many GiB must not lie there for ever.
 */
async function removeLeftovers(stagingDir: string, ledger: ImportLedger, operations: Pick<Operations, 'list'>): Promise<void> {
  const live = ledger.list().filter(({ state }) => !isOver(state))
  const unfinished = (['queued', 'running', 'waiting'] as const).flatMap(state => operations.list({ state, limit: 1000 })).filter(({ kind }) => kind === 'import')
  // Submitted in the instant of the cut: its record is not written yet, so nobody can say which upload is its own.
  if (unfinished.some(({ id }) => ledger.get(id) === undefined)) return
  const uploads = new Set(live.flatMap(({ id }) => [ledger.submission(id), ...ledger.volumes(id)]).map(({ source }) => dirname(source)))
  await removeAll(join(stagingDir, 'uploads'), path => !uploads.has(path))
  const needed = new Set([...live.map(({ id }) => id), ...unfinished.map(({ id }) => id)].map(id => join(stagingDir, id)))
  await removeAll(stagingDir, (path, name) => IMPORT_ID.test(name) && !needed.has(path))
}

async function removeAll(folder: string, isLeftover: (path: string, name: string) => boolean): Promise<void> {
  const names = await readdir(folder).catch((failure: unknown) => {
    if (isErrno(failure, 'ENOENT')) return []
    throw failure
  })
  for (const name of names) if (isLeftover(join(folder, name), name)) await rm(join(folder, name), { recursive: true, force: true })
}
