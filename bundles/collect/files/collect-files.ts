import { createReadStream } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOfFile, hexOf } from '../../../appliance/core/digest.ts'
import { DrydockError } from '../../../appliance/core/error.ts'
import type { Item } from '../../format/item.ts'
import type { Collecting } from '../collecting.ts'
import { FILES_IN_FOLDER } from '../limits.ts'
import { purl } from '../purl.ts'

export type FilesWant = { path: string; to?: string | undefined; version?: string | undefined }

/** A file, or every file under a folder, with its executable bit. Times and owners do not travel: the same content gives the same items. */
export async function collectFiles(want: FilesWant, { workspace, meter, signal }: Collecting): Promise<Item[]> {
  const found = await lstat(want.path).catch((failure: unknown) => {
    throw new DrydockError('DD-COLLECT-011', `expected a file or folder at ${want.path}, found none`, 'correct the path in the collection file; it is relative to that file', { cause: failure })
  })
  const prefix = (want.to ?? '').replace(/^\/+|\/+$/g, '')
  const files = found.isDirectory() ? await walk(want.path, prefix) : [{ file: want.path, path: served(prefix, want.path.split('/').at(-1)!) }]
  meter.planned(files.length)
  const items: Item[] = []
  for (const { file, path } of files) {
    signal.throwIfAborted()
    const state = await lstat(file)
    if (!state.isFile()) throw new DrydockError('DD-COLLECT-011', `expected ${file} to be a plain file, found ${state.isSymbolicLink() ? 'a symbolic link' : 'something else'}`, 'put the file itself there: links and devices do not travel')
    const known = await digestOfFile(file)
    const kept = (await workspace.present(known.digest)) === undefined
      ? await workspace.keep(path, createReadStream(file, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>, { algorithm: 'sha256', hex: hexOf(known.digest) })
      : known
    const version = want.version ?? hexOf(kept.digest).slice(0, 16)
    items.push({
      kind: 'file',
      name: path,
      version,
      metadata: { path, ...((state.mode & 0o111) === 0 ? {} : { executable: true }) },
      blobs: [{ name: path.slice(path.lastIndexOf('/') + 1), ...kept }],
      source: purl('generic', path.split('/'), version),
    })
    meter.finished(1)
  }
  return items
}

async function walk(folder: string, prefix: string): Promise<{ file: string; path: string }[]> {
  const all: { file: string; path: string }[] = []
  for (const entry of (await readdir(folder, { withFileTypes: true })).toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = served(prefix, entry.name)
    if (entry.isDirectory()) all.push(...(await walk(join(folder, entry.name), path)))
    else all.push({ file: join(folder, entry.name), path })
    if (all.length > FILES_IN_FOLDER) throw new DrydockError('DD-CORE-010', `expected at most ${FILES_IN_FOLDER} files in ${folder}, found more`, 'pack them into an archive, or split the folder')
  }
  return all
}

/** Control characters and parts like `..` cannot be served or shown safely. */
function served(prefix: string, name: string): string {
  const path = prefix === '' ? name : `${prefix}/${name}`
  if (path.startsWith('site/')) throw new DrydockError('DD-COLLECT-011', `expected a path outside site/, which is the jobs' own inside, found ${path.slice(0, 200)}`, 'give another folder in `to`')
  if (path.length > 512 || /[\p{Cc}\\]/u.test(path) || path.split('/').some(part => part === '' || part === '.' || part === '..') || Buffer.byteLength(name) > 255) {
    throw new DrydockError('DD-COLLECT-011', `expected a path that can be served, found ${JSON.stringify(path.slice(0, 200))}`, 'rename it: no control characters, no backslash, no empty or dot parts')
  }
  return path
}
