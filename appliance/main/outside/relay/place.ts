import { lstat, readdir, rename, rm, rmdir, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { createReadStream } from 'node:fs'
import { digestOf, hexOf } from '../../../core/digest.ts'
import { ensureFolder, openDurable, syncFolder } from '../../../core/durable-file.ts'
import { DrydockError } from '../../../core/error.ts'

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
 * files of a set one right after the other, however long they take to copy. Files that are not in `from` any more went before a relay was
 * killed. From another file system they are copied beside their place first, all of them before the first one appears.
 */
export async function dropInto(folder: string, from: string, files: readonly string[], hidden: string): Promise<void> {
  const names = files.map(name => basename(name))
  const left: { name: string; source: string; ready: string }[] = []
  for (const name of names) {
    const source = join(from, name)
    if ((await lstat(source).catch(() => undefined)) !== undefined) left.push({ name, source, ready: source })
  }
  if (left.length > 0 && (await stat(from)).dev !== (await stat(folder)).dev) {
    for (const file of left) {
      file.ready = join(hidden, file.name)
      await copyInto(file.source, file.ready)
    }
  }
  for (const { name, source, ready } of left) {
    await rename(ready, join(folder, name))
    if (ready !== source) await rm(source)
  }
  if (left.length > 0) await syncFolder(folder)
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
