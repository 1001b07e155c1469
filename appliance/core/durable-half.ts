import { constants } from 'node:fs'
import { open, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncFolder, writeAll } from './durable-file.ts'

/**
 * A file that grows over several runs under a name of its own, and gets its real name when it is whole. Other than `openDurable`, what was
 * written stays when it is closed or the process is killed. It is worth nothing until somebody has hashed all of it: a power cut may
 * leave zeros in it. The folder must be the caller's alone, because the name can be guessed.
 */
export type DurableHalf = {
  /** Bytes that are there. */
  size(): number
  /** All of them, from the first. */
  read(): AsyncIterable<Buffer>
  /** Writes all of the chunk behind what is there. */
  write(chunk: Uint8Array): Promise<void>
  /** What is there is thrown away. */
  empty(): Promise<void>
  /** Its bytes last, and then it stands under its real name, on the same file system. */
  commit(target: string): Promise<void>
  /** Closes it without a real name; one that is empty goes. Safe to call after commit, when it does nothing. */
  close(): Promise<void>
}

const READ_BYTES = 1 << 20

/** @throws ELOOP where a link was planted */
export async function openHalf(path: string, { mode }: { mode: number }): Promise<DurableHalf> {
  const handle = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW, mode)
  let size = (await handle.stat()).size
  let isOpen = true
  return {
    size: () => size,
    async *read() {
      for (let at = 0; at < size; ) {
        const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(READ_BYTES), 0, Math.min(READ_BYTES, size - at), at)
        // Shorter than it was: somebody else has it. What comes out is then hashed, and found to be wrong.
        if (bytesRead === 0) return
        yield buffer.subarray(0, bytesRead)
        at += bytesRead
      }
    },
    async write(chunk) {
      await writeAll(handle, chunk)
      size += chunk.length
    },
    async empty() {
      await handle.truncate(0)
      size = 0
    },
    async commit(target) {
      await handle.chmod(mode)
      await handle.sync()
      await handle.close()
      isOpen = false
      await rename(path, target)
      await syncFolder(dirname(target))
    },
    async close() {
      if (!isOpen) return
      isOpen = false
      await handle.close()
      if (size === 0) await unlink(path).catch(() => undefined)
    },
  }
}
