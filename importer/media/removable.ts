import { asDrydockError, DrydockError } from '../../appliance/core/error.ts'
import { printable } from '../../appliance/core/printable.ts'
import type { Log } from '../../appliance/core/log.ts'
import type { OpenMedia } from '../unpack/index.ts'
import { devicesNow, type Device, type DevicePlaces } from './devices.ts'
import { calledOf, lookAt, MEDIUM_SCHEME, partsOfSource, type FoundBundle, type Looked } from './find-bundles.ts'
import { openOnMedium, type FileOnMedium } from './reader-file.ts'

const LOOK_EVERY_MS = 1_000
/** A stick that was just put in may need a moment: a look that failed is tried again so often, one poll after the other. */
const TRIES = 3
/** How long a look that hangs in the kernel may hold up a stop; it ends with the process. */
const LEAVE_MS = 5_000

/** A medium that is plugged in, as people are shown it. */
export type Medium = {
  device: string
  bytes: number
  label: string | null
  fileSystem: string | null
  serial: string | null
  state: 'reading' | 'ready' | 'unreadable'
  why: string | null
  hint: string | null
  bundles: FoundBundle[]
}

export type RemovableDeps = {
  places: DevicePlaces
  log: Log
  /** Told of each bundle each time its medium is plugged in, and after each start. */
  arrived: (bundle: FoundBundle, medium: Medium) => Promise<void>
  told: (type: 'media.inserted' | 'media.removed' | 'media.unreadable', medium: Medium) => void
  everyMs?: number
}

export type Removable = {
  media(): Medium[]
  /** Whether a source is plugged in now. */
  has(source: string): boolean
  /** The drive in which the medium of a source is now, or else the medium: plugged in elsewhere, it does not wait for a drive that hangs. */
  placeOf(source: string): string
  /** Opens a source of a medium. @throws DD-MEDIA-002 when it is not plugged in */
  open: OpenMedia
  stop(): Promise<void>
}

type Present = { medium: Medium; key: string; tries: number; looking: Promise<void> | undefined }

/** Watches devices come and go. A medium is read once when it appears, in the sandbox; nothing is mounted. One that does not answer holds up no other. */
export function watchRemovable(deps: RemovableDeps): Removable {
  const present = new Map<string, Present>()
  const sources = new Map<string, FileOnMedium>()
  const stopping = new AbortController()
  let timer: NodeJS.Timeout | undefined

  async function look(device: Device, entry: Present): Promise<void> {
    entry.tries += 1
    try {
      checkReadable(device)
      const looked = await lookAt(device.path, stopping.signal)
      const [first] = looked.systems
      if (first === undefined) throw new DrydockError('DD-MEDIA-004', `expected FAT, exFAT, ext4, ISO 9660 or UDF, found ${looked.others.length === 0 ? 'no file system that is known' : looked.others.join(', ')}`, 'plug it in again, and check it on the machine that wrote it before anything else: it may hold the only copy; a stick that is really empty wants FAT32 or exFAT')
      Object.assign(entry.medium, { label: first.label, fileSystem: looked.systems.map(({ kind }) => kind).join(', '), serial: first.serial, state: 'ready', ...remarkOn(looked), bundles: looked.bundles })
    } catch (failure) {
      if (stopping.signal.aborted || isGone(device, entry)) return
      const error = asDrydockError(failure)
      Object.assign(entry.medium, { state: 'unreadable', why: error.message, hint: error.hint })
      // A stick that is still waking up says the strangest things; rights and mounts stay what they are.
      if (entry.tries === TRIES || device.why !== null) {
        entry.tries = TRIES
        deps.told('media.unreadable', entry.medium)
      }
      return
    }
    if (isGone(device, entry)) return
    entry.tries = TRIES
    deps.told('media.inserted', entry.medium)
    for (const { source, file } of entry.medium.bundles) sources.set(source, file)
    for (const bundle of entry.medium.bundles) await deps.arrived(bundle, entry.medium)
  }

  /** It was pulled, and perhaps another one put in, while it was looked at. */
  function isGone({ name }: Device, entry: Present): boolean {
    return present.get(name) !== entry
  }

  function failed(failure: unknown): void {
    deps.log.warn({ code: asDrydockError(failure).code, cause: String(failure) }, 'media could not be looked at')
  }

  function gone(name: string, { medium }: Present): void {
    present.delete(name)
    for (const { source, file } of medium.bundles) if (sources.get(source) === file) sources.delete(source)
    deps.told('media.removed', medium)
  }

  async function poll(): Promise<void> {
    const devices = await devicesNow(deps.places)
    for (const [name, entry] of present) if (!devices.some(device => device.name === name && device.key === entry.key)) gone(name, entry)
    for (const device of devices) {
      if (stopping.signal.aborted) return
      const known = present.get(device.name)
      const entry = known ?? { key: device.key, tries: 0, looking: undefined, medium: { device: device.name, bytes: device.bytes, label: null, fileSystem: null, serial: null, state: 'reading', why: null, hint: null, bundles: [] } }
      present.set(device.name, entry)
      if (entry.tries < TRIES) entry.looking ??= look(device, entry).catch(failed).finally(() => {
        entry.looking = undefined
      })
    }
  }

  let running: Promise<void> = Promise.resolve()
  const round = (): void => {
    running = poll().catch(failed).finally(() => {
      if (!stopping.signal.aborted) timer = setTimeout(round, deps.everyMs ?? LOOK_EVERY_MS)
    })
  }
  round()

  return {
    media: () => [...present.values()].map(({ medium }) => medium),
    has: source => sources.has(source),
    placeOf: source => `${MEDIUM_SCHEME}${sources.get(source)?.medium ?? partsOfSource(source).serial}`,
    async open(source) {
      const file = sources.get(source)
      if (file !== undefined) return await openOnMedium(file)
      const { serial, path } = partsOfSource(source)
      throw new DrydockError('DD-MEDIA-002', `expected the medium ${printable(serial)} with ${printable(path)} to be plugged in, found it gone`, 'plug it in again: the import goes on by itself')
    },
    async stop() {
      stopping.abort()
      clearTimeout(timer)
      await running
      const leave = Promise.withResolvers<void>()
      const leaving = setTimeout(leave.resolve, LEAVE_MS)
      await Promise.race([Promise.all([...present.values()].map(async ({ looking }) => await looking)), leave.promise])
      clearTimeout(leaving)
    },
  }
}

function remarkOn({ more, unread: [fault] }: Looked): Pick<Medium, 'why' | 'hint'> {
  if (fault !== undefined) return { why: fault.message, hint: fault.hint }
  return more ? { why: 'it holds more folders or bundles than are looked at', hint: 'put the bundles into the root of the medium' } : { why: null, hint: null }
}

function checkReadable({ name, path, why }: Device): void {
  if (why === 'mounted') throw new DrydockError('DD-MEDIA-004', `expected ${name} not to be mounted, found it in use by this machine`, 'unmount it, and it is read without mounting; or name its folder as a media root')
  if (why === 'denied') throw new DrydockError('DD-MEDIA-005', `expected to read ${path}, found access denied`, `as root, run  setfacl -m u:$(id -un drydock):r ${path}  ; for all that come: the udev rule in importer/media/README.md`)
}

export function isMediumSource(source: string): boolean {
  return source.startsWith(MEDIUM_SCHEME)
}

export { calledOf }
