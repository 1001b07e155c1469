import { randomBytes } from 'node:crypto'
import { closeSync, constants, fchmodSync, openSync, renameSync, writeSync } from 'node:fs'
import { open, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { ensureFolder } from './durable-file.ts'
import { barrierFrom, SYNC_FILE_SYSTEM_FROM, syncFolders } from './sync.ts'

/**
 * Small files are written and renamed with blocking calls, 10 times faster than through the thread pool; after this many the event loop
 * gets its turn, so that nobody waits for more than a few milliseconds.
 */
const TURN_FILES = 64

/**
 * Many small files that must last, for the price of one sync: every file is written under an exclusive random name in
 * `temporaryFolder` (same file system); `commit` makes all of their bytes durable, then renames each to its place, then syncs the folders.
 * Nothing stands under its real name before its bytes are durable, so a power cut leaves each file whole or not there.
 */
export type DurableBatch = {
  add(path: string, bytes: Uint8Array | string): Promise<void>
  commit(): Promise<void>
  /** Leaves nothing behind. Safe to call after commit, when it does nothing. */
  discard(): Promise<void>
}

export function openDurableBatch(options: { temporaryFolder: string; mode: number; folderMode?: number }): DurableBatch {
  const pending = new Map<string, string>()
  const barrier = barrierFrom(options.temporaryFolder)
  let sinceTurn = 0
  const turn = async (): Promise<void> => {
    if (++sinceTurn % TURN_FILES === 0) await setImmediate()
  }
  return {
    async add(path, bytes) {
      const temporary = join(options.temporaryFolder, `${randomBytes(12).toString('hex')}.tmp`)
      const file = openSync(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, options.mode)
      pending.set(temporary, path)
      try {
        writeAllSync(file, typeof bytes === 'string' ? Buffer.from(bytes) : bytes)
        fchmodSync(file, options.mode)
      } finally {
        closeSync(file)
      }
      await turn()
    },
    async commit() {
      if (pending.size >= SYNC_FILE_SYSTEM_FROM) await barrier()
      else for (const temporary of pending.keys()) await syncFile(temporary)
      const folders = new Set([...pending.values()].map(path => dirname(path)))
      for (const folder of folders) await ensureFolder(folder, options.folderMode)
      for (const [temporary, path] of pending) {
        renameSync(temporary, path)
        pending.delete(temporary)
        await turn()
      }
      await syncFolders(new Set([...folders, ...[...folders].map(folder => dirname(folder))]))
    },
    async discard() {
      for (const temporary of pending.keys()) await unlink(temporary).catch(() => undefined)
      pending.clear()
    },
  }
}

/** A write may be short (a nearly full disk); what is left is written until the kernel says why not. */
function writeAllSync(file: number, bytes: Uint8Array): void {
  let offset = 0
  while (offset < bytes.length) offset += writeSync(file, bytes, offset, bytes.length - offset)
}

async function syncFile(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
