import { randomBytes } from 'node:crypto'
import { statSync, truncateSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { syncFolder, writeAll } from '../core/durable-file.ts'
import { isErrno } from '../core/error.ts'
import { dirname } from 'node:path'

/** Held back so that a full disk cannot stop the audit log or a write of desired state. Bytes. */
export const RESERVE_BYTES = 32 * 1024 * 1024

/**
 *   held → (a write that must not fail met a full disk) → given → (space is there again) → held
 */
export interface Reserve {
  /** Gives the space back to the file system. @returns false when it was given already. */
  give(): boolean
  /** Takes the space again, as far as there is some; called at start and now and then. */
  hold(): Promise<'held' | 'no-space'>
}

export function openReserve(path: string, size = RESERVE_BYTES): Reserve {
  return {
    give() {
      try {
        if (statSync(path).size === 0) return false
        truncateSync(path, 0)
        return true
      } catch {
        return false
      }
    },
    async hold() {
      const handle = await open(path, 'a+', 0o600)
      try {
        let held = (await handle.stat()).size
        if (held >= size) return 'held'
        // Random bytes, because a file system that compresses or keeps holes would hold nothing back with zeros.
        const block = randomBytes(Math.min(size, 1024 * 1024))
        while (held < size) {
          const chunk = block.subarray(0, Math.min(block.length, size - held))
          await writeAll(handle, chunk)
          held += chunk.length
        }
        await handle.sync()
      } catch (failure) {
        if (!isDiskFull(failure)) throw failure
        // What is left belongs to those who work: a reserve is taken whole or not at all.
        await handle.truncate(0)
        return 'no-space'
      } finally {
        await handle.close()
      }
      await syncFolder(dirname(path))
      return 'held'
    },
  }
}

/** ENOSPC and EDQUOT of the kernel, SQLITE_FULL (13) of node:sqlite. */
export function isDiskFull(failure: unknown): boolean {
  return isErrno(failure, 'ENOSPC') || isErrno(failure, 'EDQUOT') || (failure instanceof Error && 'errcode' in failure && failure.errcode === 13)
}
