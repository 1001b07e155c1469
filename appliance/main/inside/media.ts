import { basename } from 'node:path'
import type { ImportRecord, ImportState } from '../../../bundles/format/import-record.ts'
import { printable } from '../../core/printable.ts'
import { MACHINE, type DevicePlaces } from '../../../importer/media/devices.ts'
import { listMedia, resolveMedia } from '../../../importer/media/media.ts'
import { checkMount, mountPoint } from '../../../importer/media/mounts.ts'
import { isMediumSource, watchRemovable, type Medium, type Removable } from '../../../importer/media/removable.ts'
import { watchFolders, type WatchFolders } from '../../../importer/media/watch-folder.ts'
import { openPlainFile, type OpenMedia } from '../../../importer/unpack/index.ts'
import { DrydockError } from '../../core/error.ts'
import type { Log } from '../../core/log.ts'
import type { AuditLog } from '../../model/audit.ts'
import type { EventSink } from '../../model/event.ts'
import type { BUNDLE_STATES, MediumView } from '../../model/medium.ts'
import type { Imports } from '../../model/use-cases.ts'
import { MACHINE_ACTORS } from '../../model/machine-actor.ts'
import { arrive } from '../../operations/arrivals.ts'
import type { ImportLedger } from '../../operations/import-ledger.ts'
import type { Operations } from '../../operations/operation-kind.ts'
import type { Config } from './config.ts'

/** What a test puts in the place of the machine's devices, and how often it wants them looked at. */
export type MediaOverrides = { places?: DevicePlaces; everyMs?: number; settleMs?: number }

export type Media = {
  /** Where an import's source is, when the appliance may read it. @throws DD-IMPORT-013, DD-MEDIA-002, 003 */
  resolve(source: string): Promise<string>
  open: OpenMedia
  /** What hangs or answers as one: a drive, or a mount. Nothing that it names is touched. */
  placeOf(source: string): string
  list(): Promise<MediumView[]>
  /** From now on what arrives starts imports. */
  start(deps: { imports: Imports; operations: Operations }): void
  stop(): Promise<void>
}

/** Media roots, watch folders and removable media as one thing: sources that imports read, and a list for people. */
export function openMedia({ config, ledger, events, audit, log, overrides = {} }: { config: Config; ledger: ImportLedger; events: EventSink; audit: Pick<AuditLog, 'record'>; log: Log; overrides?: MediaOverrides }): Media {
  let removable: Removable | undefined
  let folders: WatchFolders | undefined

  return {
    async resolve(source) {
      if (isMediumSource(source)) {
        if (removable === undefined || !removable.has(source)) throw absent(source)
        return source
      }
      const path = await resolveMedia(source, [...config.mediaRoots, ...config.watchFolders])
      await checkMount(path, config.mediaRoots)
      return path
    },
    async open(source) {
      if (!isMediumSource(source)) return await openPlainFile(source)
      if (removable === undefined) throw absent(source)
      return await removable.open(source)
    },
    placeOf(source) {
      return isMediumSource(source) ? (removable?.placeOf(source) ?? source) : mountPoint(source)
    },
    async list() {
      const imports = new ImportsBySource(ledger)
      const files = (await Promise.all([...config.watchFolders, ...config.mediaRoots].map(async folder => ({ folder, found: await listMedia([folder]) }))))
      return [
        ...(removable?.media() ?? []).map(medium => removableView(medium, imports)),
        ...files.map(({ folder, found }, k): MediumView => ({
          id: folder, kind: k < config.watchFolders.length ? 'watch-folder' : 'media-root', label: null, fileSystem: null, serial: null, size: null, state: 'ready', why: null, hint: null,
          bundles: found.map(({ path, size }) => ({ name: printable(basename(path)), source: path, size, ...imports.of(path) })),
        })),
      ]
    },
    start({ imports, operations }) {
      const taken = (actor: string, source: string, identity: string, pluggedIn: boolean): void => {
        const id = arrive({ imports, ledger, operations }, { actor, source, identity, pluggedIn })
        if (id !== undefined) audit.record({ actor, action: 'import.run', subject: `import:${id}`, outcome: 'allowed', fields: { source: printable(source) } })
      }
      folders = watchFolders({
        folders: config.watchFolders, log,
        ...(overrides.settleMs === undefined ? {} : { settleMs: overrides.settleMs, rescanMs: overrides.settleMs * 4 }),
        arrived: async file => taken(MACHINE_ACTORS.watch, file.path, file.identity, false),
      })
      if (config.removableMedia === 'ignore') return
      removable = watchRemovable({
        places: overrides.places ?? MACHINE, log,
        ...(overrides.everyMs === undefined ? {} : { everyMs: overrides.everyMs }),
        arrived: async ({ source }) => taken(MACHINE_ACTORS.media, source, source, true),
        told: (type, medium) => void events.emit({ type, subject: `medium:${medium.device}`, fields: factsOf(medium) }),
      })
    },
    async stop() {
      await folders?.stop()
      await removable?.stop()
    },
  }
}

function absent(source: string): DrydockError {
  return new DrydockError('DD-MEDIA-002', `expected the medium of ${printable(basename(source))} to be plugged in, found it gone`, 'plug it in again: the import goes on by itself')
}

function factsOf({ label, fileSystem, serial, bytes, bundles, why }: Medium): Record<string, string | number> {
  return { ...(label === null ? {} : { label }), ...(fileSystem === null ? {} : { fileSystem }), ...(serial === null ? {} : { serial }), bytes, bundles: bundles.length, ...(why === null ? {} : { why }) }
}

function removableView(medium: Medium, imports: ImportsBySource): MediumView {
  const { device, bytes, label, fileSystem, serial, state, why, hint } = medium
  return {
    id: device, kind: 'removable', label, fileSystem, serial, size: bytes, state, why, hint,
    bundles: medium.bundles.map(({ source, name, file }) => ({ name, source, size: file.size, ...imports.of(source) })),
  }
}

type BundleState = (typeof BUNDLE_STATES)[number]

const STATES = {
  found: 'importing', verifying: 'importing', verified: 'waiting', parked: 'waiting', staging: 'importing', scanned: 'importing', quarantined: 'refused', 'awaiting-approval': 'waiting', promoting: 'importing', imported: 'done',
  refused: 'refused', rejected: 'refused', cancelled: 'refused', failed: 'failed',
} as const satisfies Record<ImportState, BundleState>

/** The newest import that read a source, whichever volume of it that was. */
class ImportsBySource {
  readonly #ledger: ImportLedger
  readonly #found = new Map<string, { record: ImportRecord; volume: number | null }>()

  constructor(ledger: ImportLedger) {
    this.#ledger = ledger
    for (const record of ledger.list()) {
      for (const { source, volume } of ledger.volumes(record.id)) if (!this.#found.has(source)) this.#found.set(source, { record, volume })
      const { source } = ledger.submission(record.id)
      if (!this.#found.has(source)) this.#found.set(source, { record, volume: record.preflight?.volumes === 1 ? 1 : null })
    }
  }

  of(source: string): Pick<MediumView['bundles'][number], 'state' | 'import' | 'sequence' | 'volume' | 'why'> {
    const arrived = this.#ledger.arrival(source)
    const record = this.#found.get(source)?.record ?? (arrived === undefined ? undefined : this.#ledger.get(arrived))
    if (record === undefined) return { state: 'new', import: null, sequence: null, volume: null, why: null }
    const why = record.error?.message ?? record.reason
    return { state: STATES[record.state], import: record.id, sequence: record.sequence, volume: this.#found.get(source)?.volume ?? null, why: why === null ? null : printable(why) }
  }
}
