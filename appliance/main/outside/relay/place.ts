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
 * Finished files into a folder that somebody watches: each appears under its name at once and whole, or not at all, in the given order.
 * Files that are not in `from` any more went before a relay was killed. From another file system they are copied beside their place first.
 */
export async function dropInto(folder: string, from: string, files: readonly string[], hidden: string): Promise<void> {
  for (const name of files) {
    const source = join(from, basename(name))
    const target = join(folder, basename(name))
    if ((await lstat(source).catch(() => undefined)) === undefined) continue
    await rename(source, target).catch(async (failure: unknown) => {
      if (!isErrno(failure, 'EXDEV')) throw failure
      await copyInto(source, join(hidden, basename(name)))
      await rename(join(hidden, basename(name)), target)
      await rm(source)
    })
    await syncFolder(folder)
  }
  for (const emptied of [from, hidden]) await rmdir(emptied).catch(() => undefined)
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
