import { lstat, readdir, rename, rm, rmdir, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { createReadStream } from 'node:fs'
import { digestOf, hexOf } from '../../../core/digest.ts'
import { ensureFolder, openDurable, syncFolder } from '../../../core/durable-file.ts'
import { DrydockError, isErrno } from '../../../core/error.ts'

/** @throws DD-RELAY-004 */
export async function checkWatchFolder(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined)
  if (found?.isDirectory() === true) return
  throw new DrydockError('DD-RELAY-004', `expected the watch folder ${path}, found ${found === undefined ? 'nothing there' : 'no folder'}`, 'mount it, or correct watchFolder; the next round tries again')
}

/** A folder beside the finished bundles, on their file system, that those who watch do not look into: its name begins with a dot. One a workspace. */
export function hiddenFolder(folder: string, workspace: string): string {
  return join(folder, `.relay-${hexOf(digestOf(workspace)).slice(0, 16)}`)
}

/**
 * Finished files into a folder that somebody watches: each appears under its name at once and whole, or not at all, in the given order; the
 * files of a set one right after the other, because all of them stand in `hidden` first, however long that takes from another file system.
 * Files that are in neither place any more went before a relay was killed.
 */
export async function dropInto(folder: string, from: string, files: readonly string[], hidden: string): Promise<void> {
  const names = files.map(name => basename(name))
  if (from !== hidden) for (const name of names) await bring(join(from, name), join(hidden, name))
  for (const name of names) {
    if (await isThere(join(hidden, name))) await rename(join(hidden, name), join(folder, name))
  }
  await syncFolder(folder)
  if (from !== hidden) for (const name of names) await rm(join(from, name), { force: true })
  for (const emptied of [from, hidden]) await rmdir(emptied).catch(() => undefined)
}

/** Renamed where that is possible (a bind mount is another file system too); else copied, and the source stays until the copy has its name. */
async function bring(source: string, target: string): Promise<void> {
  if (!(await isThere(source))) return
  await ensureFolder(dirname(target))
  await rename(source, target).catch(async (failure: unknown) => {
    if (!isErrno(failure, 'EXDEV')) throw failure
    await copyInto(source, target)
  })
}

async function isThere(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined
}

/** One step; what lay there under this name is of a round that was cut off. */
export async function replaceFolder(from: string, to: string): Promise<void> {
  await rm(to, { recursive: true, force: true })
  await rename(from, to)
  await syncFolder(dirname(to))
}

async function copyInto(source: string, target: string): Promise<void> {
  await ensureFolder(dirname(target))
  const file = await openDurable(target, { mode: 0o644 })
  try {
    for await (const chunk of createReadStream(source) as AsyncIterable<Buffer>) await file.write(chunk)
    await file.commit()
  } finally {
    await file.discard()
  }
}

/** By name; nothing when the folder is not there. */
export async function filesIn(folder: string, ending: string): Promise<string[]> {
  return (await readdir(folder).catch(() => [])).filter(name => name.endsWith(ending) && !name.startsWith('.')).toSorted().map(name => join(folder, name))
}
