import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { isErrno } from '../../appliance/core/error.ts'
import { pages } from '../../appliance/core/pages.ts'
import type { ByteSource } from '../archive/index.ts'

/** One read of a direct descriptor; a multiple of every block size that a medium has. */
const WINDOW_BYTES = 1024 * 1024
/** What is given up around a bad sector: an error correction block of a DVD; a BD's is two of them. */
const AROUND_BYTES = 32 * 1024

/** A file that is read from its device, not from what the kernel remembers of writing it, where its file system can do that. */
export type AnewFile = {
  readonly size: number
  /** False where the file system has no direct reads: then a cache may answer for the medium. */
  readonly direct: boolean
  /** Up to `length` bytes at `at`, valid until the next call; none at the end. @throws EIO for what cannot be read; what lies beside it still can be */
  read(at: number, length: number): Promise<Uint8Array>
  close(): Promise<void>
}

/**
 * Opens a file so that its bytes come from the device: O_DIRECT, which ext4, XFS, Btrfs, FAT and exFAT have and ISO 9660 has not.
 *
 * What reading back proves: the device answers with the bytes that were written, through its own electronics. What it does not: that they
 * lie in the cells of a stick and not in its cache, or that another reader can read the disc. For that the medium is taken out, put into
 * the other machine, and `bundle verify` is run there. Without direct reads the kernel may answer from memory, and the caller says so.
 */
export async function openAnew(path: string): Promise<AnewFile> {
  let { handle, direct } = await openEither(path)
  const { size } = await handle.stat()
  const page = pages(WINDOW_BYTES)
  let window = { at: -1, length: 0 }

  async function fill(at: number, most: number): Promise<void> {
    window = { at: -1, length: 0 }
    let length = 0
    while (length < most && at + length < size) {
      const { bytesRead } = await handle.read(page, length, most - length, at + length)
      length += bytesRead
      // A direct read that ends between blocks has met the end of the file.
      if (bytesRead === 0 || (direct && bytesRead % 512 !== 0)) break
    }
    window = { at, length }
  }

  async function aligned(at: number, step: number): Promise<void> {
    try {
      await fill(at - (at % step), step)
    } catch (failure) {
      // Some file systems open a file for direct reads and then have none.
      if (!direct || !isErrno(failure, 'EINVAL')) throw failure
      await handle.close()
      handle = await open(path, constants.O_RDONLY)
      direct = false
      await fill(at - (at % step), step)
    }
  }

  return {
    size,
    get direct() {
      return direct
    },
    async read(at, length) {
      if (at >= size) return page.subarray(0, 0)
      if (window.at < 0 || at < window.at || at >= window.at + window.length) {
        await aligned(at, WINDOW_BYTES).catch(async (failure: unknown) => {
          if (!isErrno(failure, 'EIO')) throw failure
          await aligned(at, AROUND_BYTES)
        })
      }
      return page.subarray(at - window.at, Math.min(window.length, at - window.at + length))
    },
    close: () => handle.close(),
  }
}

async function openEither(path: string): Promise<{ handle: FileHandle; direct: boolean }> {
  try {
    return { handle: await open(path, constants.O_RDONLY | constants.O_DIRECT), direct: true }
  } catch (failure) {
    if (!isErrno(failure, 'EINVAL')) throw failure
    return { handle: await open(path, constants.O_RDONLY), direct: false }
  }
}

/** The whole file, front to back. */
export function anewSource(file: AnewFile): ByteSource {
  let position = 0
  return {
    async read(into) {
      const bytes = await file.read(position, into.length)
      into.set(bytes)
      position += bytes.length
      return bytes.length
    },
  }
}
