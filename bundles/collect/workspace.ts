import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { digestFromHex, digestOfFile, hexOf, type Digest } from '../../appliance/core/digest.ts'
import { ensureFolder, openDurable, writeDurably } from '../../appliance/core/durable-file.ts'
import { isErrno } from '../../appliance/core/error.ts'
import { BLOB_FOLDER } from '../format/collection-lock.ts'
import { mismatch, type Expected, type Kept } from './expected.ts'
import { openHalfBlob, type Half } from './half.ts'
import type { Meter } from './progress.ts'

/**
 *     WORKSPACE/lock.json      what the collection was resolved to
 *     WORKSPACE/blobs/<hex>    every blob of every item, named by its SHA-256
 *     WORKSPACE/halves/…       large downloads on their way, see half.ts
 *     WORKSPACE/cache/…        apt's lists, npm's answers; can be deleted at any time
 */
export interface Workspace {
  readonly folder: string
  cacheFolder(name: string): Promise<string>
  blobPath(digest: Digest): string
  /** The blob's size when it is here and whole. Bytes that rotted are thrown away, so that they are fetched again. */
  present(digest: Digest): Promise<number | undefined>
  /**
   * Keeps a stream whose bytes have the expected hash, and nothing of it otherwise.
   * @throws DD-COLLECT-004 naming `what` and both hashes.
   */
  keep(what: string, body: AsyncIterable<Uint8Array>, expected: Expected | undefined): Promise<Kept>
  /** A large download that may be cut off and go on later; undefined while somebody else in this process is at the same bytes. */
  half(expected: Expected): Promise<Half | undefined>
  /** Small bytes that we made ourselves, such as the METADATA taken out of a wheel. */
  put(bytes: Uint8Array): Promise<Kept>
}

export async function openWorkspace(folder: string, meter: Meter): Promise<Workspace> {
  const blobs = join(folder, BLOB_FOLDER)
  await ensureFolder(blobs)
  const halvesOpen = new Set<string>()
  const blobPath = (digest: Digest) => join(blobs, hexOf(digest))
  return {
    folder,
    blobPath,
    async cacheFolder(name) {
      const path = join(folder, 'cache', name)
      await ensureFolder(path)
      return path
    },
    async present(digest) {
      try {
        const found = await digestOfFile(blobPath(digest))
        if (found.digest === digest) return found.size
        await unlink(blobPath(digest))
        return undefined
      } catch (failure) {
        if (isErrno(failure, 'ENOENT')) return undefined
        throw failure
      }
    },
    async keep(what, body, expected) {
      const hash = expected === undefined || expected.algorithm === 'sha256' ? undefined : createHash(expected.algorithm)
      const writer = await openDurable(join(blobs, 'unnamed'), { mode: 0o640 })
      try {
        for await (const chunk of body) {
          await writer.write(chunk)
          hash?.update(chunk)
          meter.received(chunk.length)
        }
        return await writer.commit(digest => {
          const found = hash === undefined ? hexOf(digest) : hash.digest('hex')
          if (expected !== undefined && found !== expected.hex) throw mismatch(what, expected, found)
          return hexOf(digest)
        })
      } finally {
        await writer.discard()
      }
    },
    async half(expected) {
      if (halvesOpen.has(expected.hex)) return undefined
      halvesOpen.add(expected.hex)
      const release = (): void => void halvesOpen.delete(expected.hex)
      return await openHalfBlob(folder, expected, meter, release).catch((failure: unknown) => {
        release()
        throw failure
      })
    },
    async put(bytes) {
      const digest = digestFromHex(createHash('sha256').update(bytes).digest('hex'))
      if ((await stat(blobPath(digest)).catch(() => undefined))?.size !== bytes.length) await writeDurably(blobPath(digest), bytes, { mode: 0o640 })
      return { digest, size: bytes.length }
    },
  }
}

/** The hash of a file that lies in the workspace already, in upstream's own algorithm. */
export async function hashOfFile(path: string, algorithm: Expected['algorithm']): Promise<string> {
  const hash = createHash(algorithm)
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) hash.update(chunk)
  return hash.digest('hex')
}
