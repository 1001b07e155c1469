import { chmodSync, existsSync, lstatSync, renameSync, statSync } from 'node:fs'
import { open, readdir, rm, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { digestOf, hexOf, type Digest } from '../../appliance/core/digest.ts'
import { openDurableBatch } from '../../appliance/core/durable-batch.ts'
import { ensureFolder } from '../../appliance/core/durable-file.ts'
import { DrydockError, isErrno } from '../../appliance/core/error.ts'
import { syncFolders } from '../../appliance/core/sync.ts'

/**
 *   blobs/sha256/ab/abcd…   0440, folders 0750, never written again once the name is there
 *   blobs/incoming/         names that are not blobs yet; emptied when the store opens
 */
export type BlobStore = {
  blobPath(digest: Digest): string
  has(digest: Digest): boolean
  /** Bytes on disk, undefined when it is not there. */
  size(digest: Digest): number | undefined
  put(bytes: Uint8Array | string): Promise<Digest>
  /** Many documents for the price of one sync. They can be read after `commit`. */
  batch(): BlobBatch
  /** Moves a file whose bytes were verified and synced; the old path is gone afterwards. Again with the same digest does nothing. */
  adopt(path: string, digest: Digest): Promise<void>
  /** The same for many files, with one sync for each folder they go to, or one for all. */
  adoptAll(files: Iterable<{ path: string; digest: Digest }>): Promise<void>
  /** @throws DD-MIRROR-002 when it is not there, DD-CORE-005 when the bytes are no longer what the digest says. */
  read(digest: Digest): Promise<Buffer>
  /** For readers that stream; the caller closes it. @throws DD-MIRROR-002 when it is not there. */
  open(digest: Digest): Promise<FileHandle>
}

export type BlobBatch = { put(bytes: Uint8Array | string): Promise<Digest>; commit(): Promise<void>; discard(): Promise<void> }

const BLOB_MODE = 0o440
/** After this many blocking calls the event loop gets its turn. */
const TURN_FILES = 64

export async function openBlobStore(folder: string): Promise<BlobStore> {
  const incoming = join(folder, 'incoming')
  await ensureFolder(join(folder, 'sha256'))
  await ensureFolder(incoming)
  for (const name of await readdir(incoming)) await rm(join(incoming, name), { force: true, recursive: true })

  const blobPath = (digest: Digest): string => {
    const hex = hexOf(digest)
    return join(folder, 'sha256', hex.slice(0, 2), hex)
  }

  /**
   * Renamed, not linked and unlinked later: one change of a folder instead of three. A blob of this name may be there already. What comes in
   * was verified a moment ago, what lies there was verified long ago and may have rotted since, so the new bytes take its place. Blocking
   * calls: 200,000 trips to the thread pool take ten times as long.
   */
  const moveIn = (path: string, digest: Digest): void => {
    const target = blobPath(digest)
    try {
      // Looking costs less than telling, and most come with it.
      if ((lstatSync(path).mode & 0o7777) !== BLOB_MODE) chmodSync(path, BLOB_MODE)
      renameSync(path, target)
    } catch (failure) {
      // A run that was killed has moved it before.
      if (!isErrno(failure, 'ENOENT') || !existsSync(target)) throw failure
    }
  }

  const store: BlobStore = {
    blobPath,
    has: digest => existsSync(blobPath(digest)),
    size: digest => statSync(blobPath(digest), { throwIfNoEntry: false })?.size,
    async put(bytes) {
      const batch = store.batch()
      try {
        const digest = await batch.put(bytes)
        await batch.commit()
        return digest
      } finally {
        await batch.discard()
      }
    },
    batch() {
      const files = openDurableBatch({ temporaryFolder: incoming, mode: BLOB_MODE })
      const seen = new Set<Digest>()
      return {
        async put(bytes) {
          const digest = digestOf(bytes)
          if (!seen.has(digest)) await files.add(blobPath(digest), bytes)
          seen.add(digest)
          return digest
        },
        commit: () => files.commit(),
        discard: () => files.discard(),
      }
    },
    adopt: (path, digest) => store.adoptAll([{ path, digest }]),
    async adoptAll(list) {
      const touched = new Set<string>()
      let sinceTurn = 0
      for (const { path, digest } of list) {
        const into = dirname(blobPath(digest))
        if (!touched.has(into)) await ensureFolder(into)
        touched.add(into)
        moveIn(path, digest)
        if (++sinceTurn % TURN_FILES === 0) await setImmediate()
      }
      await syncFolders([join(folder, 'sha256'), ...touched])
    },
    async read(digest) {
      const handle = await store.open(digest)
      try {
        const bytes = await handle.readFile()
        if (digestOf(bytes) === digest) return bytes
      } finally {
        await handle.close()
      }
      throw rotten(digest)
    },
    async open(digest) {
      try {
        return await open(blobPath(digest), 'r')
      } catch (failure) {
        if (!isErrno(failure, 'ENOENT')) throw failure
        throw new DrydockError('DD-MIRROR-002', `expected the blob ${digest} in the store, found none`, 'import the bundle that brings it again', { cause: failure })
      }
    },
  }
  return store
}

/** The bytes under a name are not what the name says. */
export function rotten(digest: Digest): DrydockError {
  return new DrydockError('DD-CORE-005', `expected the bytes of ${digest} in the blob store, found others`, 'the disk or somebody changed it: import the bundle that brought it again, which puts the right bytes back')
}
