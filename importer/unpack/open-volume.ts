import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { DrydockError, isErrno } from '../../appliance/core/error.ts'
import { fileSource, readHead, readIndexParts, readVolume, readVolumeNumber, type VolumeHead } from '../../bundles/archive/index.ts'
import type { VerifiedIndex, VerifiedManifest } from '../../bundles/format/verified.ts'

/** A volume that was opened once. Everything of one import is read through this one descriptor, front to back. */
export type OpenVolume = {
  readonly handle: FileHandle
  readonly head: VolumeHead
  /** The compressed index; only after the manifest was verified. The payload begins where it ends. */
  indexParts(verified: VerifiedManifest): Promise<{ parts: Buffer[]; payloadOffset: number }>
  /** Which volume of its set this is, from 1; after `indexParts`. @throws DD-BUNDLE-007 */
  number(verified: VerifiedManifest, index: VerifiedIndex): Promise<number>
  close(): Promise<void>
}

/** Opens a volume and reads manifest and signatures, nothing else. @throws DD-IMPORT-013, DD-BUNDLE-003, 005, 007, 010 */
export async function openVolume(path: string): Promise<OpenVolume> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch((cause: unknown) => {
    throw notPlain(path, isErrno(cause, 'ENOENT') ? 'no such file' : 'one that cannot be opened', cause)
  })
  try {
    if (!(await handle.stat()).isFile()) throw notPlain(path, 'something else')
    const volume = readVolume(fileSource(handle))
    const head = await readHead(volume)
    return {
      handle,
      head,
      async indexParts(verified) {
        const parts = await readIndexParts(volume, verified.manifest.index)
        return { parts, payloadOffset: volume.position() }
      },
      number: (verified, index) => readVolumeNumber(volume, verified.manifest, index.entries),
      close: () => handle.close(),
    }
  } catch (failure) {
    await handle.close()
    throw failure
  }
}

function notPlain(path: string, found: string, cause?: unknown): DrydockError {
  return new DrydockError('DD-IMPORT-013', `expected a bundle file at ${path}, found ${found}`, 'check the path and that the medium is mounted', cause === undefined ? {} : { cause })
}
