import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { DrydockError, isErrno } from '../../appliance/core/error.ts'
import { checkLength, fileSource, numberOfFirst, readFirstName, readHead, readIndexParts, readVolume, volumeBytes, type ByteSource, type VolumeHead } from '../../bundles/archive/index.ts'
import { entriesOfAny } from '../../bundles/format/brought.ts'
import { volumeName } from '../../bundles/format/manifest-file.ts'
import type { VerifiedIndex, VerifiedManifest } from '../../bundles/format/verified.ts'
import { reopenedDirect } from './direct.ts'

/** The payload as the confined process gets it: an open descriptor, and the byte at which the payload begins in it; null when it begins there already (a pipe). */
export type Payload = {
  fd: number
  offset: number | null
  /** How many may read it at one time: one from a pipe, or where a disc would have to be sought to and fro. */
  readers: 1 | 2
  /** After the confined process failed: what the medium had to do with it, or undefined. */
  fault(): Promise<DrydockError | undefined>
  close(): Promise<void>
}

/** Where a volume lies, opened: the first bytes for us, and the payload for the confined process. */
export type MediaFile = {
  head: ByteSource
  /** Bytes of the whole file, where that can be known before it is read. */
  size?: number
  payload(offset: number): Promise<Payload>
  close(): Promise<void>
}

/** How a source becomes bytes. Removable media have their own way; everything else is a path. The signal is for `answering`. @throws DD-IMPORT-013 */
export type OpenMedia = (source: string, signal?: AbortSignal) => Promise<MediaFile>

/** A volume that was opened once. Everything of one import is read front to back. */
export type OpenVolume = {
  readonly head: VolumeHead
  /** The compressed index; only after the manifest was verified. The payload begins where it ends. */
  indexParts(verified: VerifiedManifest): Promise<{ parts: Buffer[]; payloadOffset: number }>
  /** What tells which volume of its set this is; after `indexParts`. @throws DD-BUNDLE-003, 005 */
  ends(verified: VerifiedManifest): Promise<Ends>
  payload(offset: number): Promise<Payload>
  close(): Promise<void>
}

/** The name of its first entry, where a set has several volumes, the byte at which its payload begins, and how long the file is, where that can be known. */
export type Ends = { first: string | null; payloadOffset: number; size: number | null }

/** Which volume of its set this is, from 1. @throws DD-BUNDLE-007 */
export function volumeNumber({ manifest }: VerifiedManifest, index: VerifiedIndex, { first }: Ends): number {
  return numberOfFirst(manifest, index.entries, first)
}

/** Whether the file can hold all of volume `number` and nothing else. @throws DD-BUNDLE-005, 006 */
export function checkVolumeLength({ manifest }: VerifiedManifest, index: VerifiedIndex, number: number, { payloadOffset, size }: Ends): void {
  if (size !== null) checkLength(volumeBytes(payloadOffset, entriesOfAny(manifest, index, number)), size, volumeName(manifest, number))
}

/** Opens a volume and reads manifest and signatures, nothing else. @throws DD-IMPORT-013, DD-BUNDLE-003, 005, 007, 010, 022 */
export async function openVolume(source: string, openMedia: OpenMedia = openPlainFile, signal?: AbortSignal): Promise<OpenVolume> {
  const media = await openMedia(source, signal)
  try {
    const volume = readVolume(media.head)
    const head = await readHead(volume)
    return {
      head,
      async indexParts(verified) {
        const parts = await readIndexParts(volume, verified.manifest.index)
        return { parts, payloadOffset: volume.position() }
      },
      async ends({ manifest }) {
        const payloadOffset = volume.position()
        return { payloadOffset, first: await readFirstName(volume, manifest), size: media.size ?? null }
      },
      payload: offset => media.payload(offset),
      close: () => media.close(),
    }
  } catch (failure) {
    await media.close()
    throw failure
  }
}

/** A path of this machine; head and payload are read through one descriptor. @throws DD-IMPORT-013 */
export async function openPlainFile(path: string): Promise<MediaFile> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch((cause: unknown) => {
    throw notPlain(path, isErrno(cause, 'ENOENT') ? 'no such file' : 'one that cannot be opened', cause)
  })
  let size = 0
  try {
    const found = await handle.stat()
    if (!found.isFile()) throw notPlain(path, 'something else')
    size = found.size
  } catch (failure) {
    await handle.close()
    throw failure
  }
  let direct: FileHandle | undefined
  return {
    head: fileSource(handle),
    size,
    async payload(offset) {
      direct ??= await reopenedDirect(handle)
      const { dev } = await handle.stat()
      return { fd: (direct ?? handle).fd, offset, readers: majorOf(dev) === OPTICAL_MAJOR ? 1 : 2, fault: async () => undefined, close: async () => undefined }
    },
    async close() {
      await direct?.close()
      await handle.close()
    },
  }
}

/** Drives for CDs, DVDs and BDs (admin-guide/devices.txt of the kernel's documentation). */
const OPTICAL_MAJOR = 11

/** As glibc's gnu_dev_major takes it out of a device number, for the numbers that disks have. */
function majorOf(device: number): number {
  return (device >> 8) & 0xfff
}

function notPlain(path: string, found: string, cause?: unknown): DrydockError {
  return new DrydockError('DD-IMPORT-013', `expected a bundle file at ${path}, found ${found}`, 'check the path and that the medium is mounted', cause === undefined ? {} : { cause })
}
