import { createHash, randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { mkdir, open, rename, stat, unlink, type FileHandle } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { digestOfHash, type Digest } from './digest.ts'
import { isErrno } from './error.ts'

/**
 * The one way to write a file that must last:
 * exclusive random temp in the same folder → write every byte, hashing → fsync → rename → fsync the folder.
 * A temp name that can be guessed could be a planted symlink; a short write that is not retried truncates silently.
 */
export type DurableWriter = {
  /** Writes all of the chunk, however many calls the kernel needs. */
  write(chunk: Uint8Array): Promise<void>
  /**
   * Makes the file appear under its name; the returned digest and size are of what was written.
   * @param nameOf for files named by their content: their name in the same folder. When it throws, nothing appears.
   */
  commit(nameOf?: (digest: Digest) => string): Promise<{ digest: Digest; size: number }>
  /** Leaves nothing behind. Safe to call after commit, when it does nothing. */
  discard(): Promise<void>
}

export async function openDurable(path: string, options: { mode?: number } = {}): Promise<DurableWriter> {
  const temporary = join(dirname(path), `.${randomBytes(12).toString('hex')}.tmp`)
  const mode = options.mode ?? 0o600
  const handle = await open(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, mode)
  const hash = createHash('sha256')
  let size = 0
  let open_ = true
  return {
    async write(chunk) {
      await writeAll(handle, chunk)
      hash.update(chunk)
      size += chunk.length
    },
    async commit(nameOf) {
      const digest = digestOfHash(hash)
      const target = nameOf === undefined ? path : join(dirname(path), nameOf(digest))
      try {
        await handle.chmod(mode)
        await handle.sync()
      } finally {
        await handle.close()
        open_ = false
      }
      await rename(temporary, target)
      await syncFolder(dirname(path))
      return { digest, size }
    },
    async discard() {
      if (open_) await handle.close()
      open_ = false
      await unlink(temporary).catch(() => undefined)
    },
  }
}

/** The whole file at once. @returns the digest of what is now on the disk. */
export async function writeDurably(path: string, data: Uint8Array | string, options: { mode?: number } = {}): Promise<Digest> {
  const writer = await openDurable(path, options)
  try {
    await writer.write(typeof data === 'string' ? Buffer.from(data) : data)
    return (await writer.commit()).digest
  } finally {
    await writer.discard()
  }
}

/** Makes renames and new names in a folder last. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * Like `mkdir -p`, each new folder with this mode. Not Node's `recursive`, which never ends where the kernel answers ENOENT for a folder
 * whose parent is there (/proc).
 */
export async function ensureFolder(path: string, mode = 0o750): Promise<void> {
  const missing: string[] = []
  for (let here = resolve(path); !(await isFolder(here)) && here !== dirname(here); here = dirname(here)) missing.unshift(here)
  for (const folder of missing) {
    await mkdir(folder, { mode }).catch(async (failure: unknown) => {
      // Somebody else made it meanwhile.
      if (!isErrno(failure, 'EEXIST') || !(await isFolder(folder))) throw failure
    })
  }
}

async function isFolder(path: string): Promise<boolean> {
  return await stat(path).then(found => found.isDirectory(), () => false)
}

/** A write may be short (a nearly full disk); what is left is written until the kernel says why not. */
export async function writeAll(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  let offset = 0
  while (offset < chunk.length) {
    const { bytesWritten } = await handle.write(chunk, offset, chunk.length - offset)
    offset += bytesWritten
  }
}
