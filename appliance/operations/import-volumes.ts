import { importName, type ImportState, type Preflight } from '../../bundles/format/import-record.ts'
import { asDrydockError, DrydockError } from '../core/error.ts'
import type { ErrorCode } from '../core/errors/table.ts'
import type { Move } from './import-move.ts'
import { decide, LANES, work, type Decision, type ImportDeps } from './import-steps.ts'
import type { VolumeSource } from './import-ledger.ts'
import type { OperationContext } from './operation-kind.ts'

/** Names what an import with missing volumes waits on; a volume that arrives answers it. */
const WAITS = /^(volumes|again)-\d+$/

/** States in which the volumes of an import are not all on the disk yet, or are and nobody has decided. */
const LIVE: readonly ImportState[] = ['verified', 'parked', 'staging', 'scanned', 'quarantined', 'awaiting-approval', 'promoting']

/** What says that one volume is bad or gone, and nothing about the others: another copy of it mends that. */
const OF_ONE_VOLUME: readonly ErrorCode[] = ['DD-BUNDLE-003', 'DD-BUNDLE-005', 'DD-BUNDLE-006', 'DD-BUNDLE-007', 'DD-BUNDLE-008', 'DD-BUNDLE-022', 'DD-IMPORT-013', 'DD-IMPORT-017', 'DD-MEDIA-001', 'DD-MEDIA-002', 'DD-MEDIA-006']

export type Joined = { into: string; woke: string | null }

/**
 * The import that a volume belongs to, which lives or has this one already. What makes two volumes of one bundle is the digest of the signed
 * manifest, never a name: a volume of another bundle by the same name is an import of its own.
 */
export function importOfSet(deps: Pick<ImportDeps, 'ledger' | 'operations'>, id: string, manifest: string): string | undefined {
  // A disk that failed may have kept a record from saying that its operation has ended: that one waits for nothing.
  const goesOn = (operation: string): boolean => ['queued', 'running', 'waiting'].includes(deps.operations.get(operation)?.state ?? '')
  return deps.ledger.joined(id) ?? deps.ledger.list().find(record => record.id !== id && record.preflight?.manifest === manifest && LIVE.includes(record.state) && goesOn(record.operation))?.id
}

/**
 * Gives a volume to the import of its bundle that waits for it.
 * @returns that import, and the wait that this ended
 * @throws DD-IMPORT-018 when that import has this volume already
 */
export async function joinVolume(deps: ImportDeps, id: string, into: string, volume: VolumeSource): Promise<Joined> {
  const known = deps.ledger.volumes(into).find(other => other.volume === volume.volume)
  if (known !== undefined && known.source !== volume.source) {
    // Nobody else may be left to wake it: who brought this volume first was cut off after it was kept.
    wake(deps, into)
    const name = importName(deps.ledger.get(into)!)
    throw new DrydockError('DD-IMPORT-018', `expected a volume that import ${name} misses, found volume ${volume.volume}, which it has`, `bring those that are missing: drydock import show ${name}`)
  }
  if (known === undefined) deps.ledger.keepVolume(into, volume)
  // It failed, and others of its set went on without it: those that had joined it go over too.
  for (const own of deps.ledger.volumes(id)) if (!deps.ledger.volumes(into).some(other => other.volume === own.volume)) deps.ledger.keepVolume(into, own)
  deps.ledger.join(id, into)
  await deps.steps.clean(id)
  return { into, woke: wake(deps, into) }
}

/** Lets an import that waits for volumes look again. @returns the wait that this ended */
function wake(deps: ImportDeps, into: string): string | null {
  const { operation } = deps.ledger.get(into)!
  const waitingOn = deps.operations.get(operation)?.waitingOn
  if (waitingOn === null || waitingOn === undefined || !WAITS.test(waitingOn)) return null
  deps.operations.signal(operation, waitingOn, { go: true })
  return waitingOn
}

/** A set: how many volumes it has, and the names of them and of the parity volumes behind them. */
export type VolumeSet = { volumes: number; names: readonly string[] }

/**
 * `volume 2 of 3 (demo-0001.v2-of-3.drydock)`, for each that did not come; what was wrong with one that did is said. None when as many
 * volumes and parity volumes are here as the set has volumes.
 */
function missingVolumes(deps: ImportDeps, id: string, { volumes, names }: VolumeSet, faults: ReadonlyMap<number, string> = new Map()): string[] {
  const here = new Set(deps.ledger.volumes(id).map(({ volume }) => volume))
  if (here.size >= volumes) return []
  const fault = (number: number): string => (faults.has(number) ? `: ${faults.get(number)}` : '')
  const lines = names.flatMap((name, k) => {
    if (k < volumes) return here.has(k + 1) ? [] : [`volume ${k + 1} of ${volumes} (${name})${fault(k + 1)}`]
    return faults.has(k + 1) ? [`parity volume ${k + 1 - volumes} (${name})${fault(k + 1)}`] : []
  })
  const parity = names.length - volumes
  if (parity === 0) return lines
  const more = volumes - here.size
  return [...lines, `${[...here].filter(number => number > volumes).length} of ${parity} parity volumes here: ${more === 1 ? 'one more volume or parity volume makes' : `${more} more volumes or parity volumes make`} it whole`]
}

/** Parks until every volume has come, or enough parity volumes in their place; the payload of none is read before. */
export async function parkedUntilAllCame(deps: ImportDeps, context: OperationContext, id: string, set: VolumeSet, move: Move): Promise<void> {
  for (let round = 1; ; round++) {
    const missing = await context.step(`came-${round}`, async () => {
      const absent = missingVolumes(deps, id, set)
      move(absent.length > 0 ? 'parked' : 'verified', { missing: absent })
      return absent
    })
    if (missing.length === 0) return
    decide(await context.waitFor<Decision>(`volumes-${round}`))
  }
}

/**
 * Stages volume after volume. One that turns out bad is given up, and rebuilt when the parity that is here is enough; otherwise it is waited
 * for again, and the others stay.
 */
export async function stageVolumes(deps: ImportDeps, context: OperationContext, id: string, preflight: Preflight, set: VolumeSet, move: Move): Promise<void> {
  for (let round = 1; ; round++) {
    await context.enterLane(LANES.payload, `payload-${round}`)
    const missing = await context.step(`volumes-staged-${round}`, async () => {
      move('staging', { missing: [] })
      const faults = new Map<number, string>()
      const all = Array.from({ length: set.volumes }, (_, k) => k + 1)
      const lost = (): number[] => all.filter(number => !deps.ledger.volumes(id).some(({ volume, staged }) => volume === number && staged))
      let done = 0
      for (const source of deps.ledger.volumes(id)) {
        context.signal.throwIfAborted()
        // Parity comes after the volumes, and is read only as far as it is needed.
        if (source.volume > set.volumes && deps.ledger.volumes(id).filter(({ volume, staged }) => volume > set.volumes && staged).length >= lost().length) break
        const began = done
        const told = work(deps, context, 'stage', 'bytes')
        done += source.staged ? 0 : await stageOne(deps, id, source, { ...told, progress: now => told.progress(Math.min(began + now, preflight.size), preflight.size) }, faults)
      }
      const absent = missingVolumes(deps, id, set, faults)
      if (absent.length > 0) move('parked', { missing: absent })
      else {
        const staged = deps.ledger.volumes(id).filter(volume => volume.staged).map(({ volume }) => volume)
        if (lost().length > 0) await deps.steps.rebuild(id, staged, lost(), work(deps, context, 'rebuild', 'bytes'))
        await deps.steps.finishStaging(id)
      }
      return absent
    })
    if (missing.length === 0) return
    // In one lane with those who bring volumes, so that none comes between this look and the wait.
    await context.enterLane(LANES.front, `front-${round}`)
    const came = await context.step(`came-since-${round}`, async () => deps.ledger.volumes(id).some(({ staged }) => !staged))
    if (!came) decide(await context.waitFor<Decision>(`again-${round}`))
  }
}

async function stageOne(deps: ImportDeps, id: string, source: VolumeSource, told: ReturnType<typeof work>, faults: Map<number, string>): Promise<number> {
  try {
    const { bytes } = await deps.steps.stage(id, source.source, told, source.volume)
    deps.ledger.keepVolume(id, { ...source, staged: true })
    return bytes
  } catch (failure) {
    const error = asDrydockError(failure)
    if (!OF_ONE_VOLUME.includes(error.code)) throw failure
    faults.set(source.volume, `what came was not good: ${error.message}`)
    deps.ledger.dropVolume(id, source.volume)
    if (source.upload) await deps.discardUpload(source.source)
    return 0
  }
}

/** Uploads of the set that are no longer needed. */
export async function discardVolumes(deps: Pick<ImportDeps, 'ledger' | 'discardUpload'>, id: string): Promise<void> {
  for (const { source, upload } of deps.ledger.volumes(id)) if (upload) await deps.discardUpload(source)
}
