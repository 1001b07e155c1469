import { createReadStream } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { digestFromHex, digestOfFile, hexOf } from '../../../appliance/core/digest.ts'
import { DrydockError } from '../../../appliance/core/error.ts'
import type { Item } from '../../format/item.ts'
import type { Collecting } from '../collecting.ts'
import type { FileWant } from '../collection.ts'
import { fetchBlob } from '../fetch/fetch-blob.ts'
import { environmentSettings, openHttp } from '../fetch/http.ts'
import { FILES_IN_FOLDER } from '../limits.ts'
import { counted } from '../progress.ts'
import { purl } from '../purl.ts'
import { mismatch, type Kept } from '../expected.ts'

/** A file, or every file under a folder, with its executable bit. Times and owners do not travel: the same content gives the same items. */
export async function collectFiles(want: FileWant, collecting: Collecting): Promise<Item[]> {
  if ('url' in want) return [await fetchedFile(want, collecting)]
  const { meter, signal } = collecting
  const found = await lstat(want.path).catch((failure: unknown) => {
    throw new DrydockError('DD-COLLECT-011', `expected a file or folder at ${want.path}, found none`, 'correct the path in the collection file; it is relative to that file', { cause: failure })
  })
  const prefix = folderOf(want)
  if (found.isDirectory() && want.sha256 !== undefined) {
    throw new DrydockError('DD-COLLECT-011', `expected a single file at ${want.path} for its sha256, found a folder`, 'name the file, or leave out sha256')
  }
  const files = found.isDirectory() ? await walk(want.path, prefix) : [{ file: want.path, path: served(prefix, want.path.split('/').at(-1)!) }]
  meter.planned(files.length)
  const items: Item[] = []
  const coming = meter.coming()
  const states = await Promise.all(files.map(async ({ file }) => await lstat(file)))
  let left = states.reduce((sum, { size }) => sum + size, 0)
  for (const [k, { file, path }] of files.entries()) {
    signal.throwIfAborted()
    coming.left(left)
    const state = states[k]!
    if (!state.isFile()) throw new DrydockError('DD-COLLECT-011', `expected ${file} to be a plain file, found ${state.isSymbolicLink() ? 'a symbolic link' : 'something else'}`, 'put the file itself there: links and devices do not travel')
    const kept = await taken(file, path, want.sha256, body => counted(body, left, coming), collecting)
    items.push(itemOf(path, kept, want.version, (state.mode & 0o111) !== 0))
    left -= state.size
    meter.finished(1)
  }
  coming.end()
  return items
}

async function taken(file: string, path: string, sha256: string | undefined, tell: (body: AsyncIterable<Buffer>) => AsyncIterable<Buffer>, { workspace }: Collecting): Promise<Kept> {
  const known = await digestOfFile(file)
  if (sha256 !== undefined && hexOf(known.digest) !== sha256) throw mismatch(file, { algorithm: 'sha256', hex: sha256, by: 'the collection file' }, hexOf(known.digest), 'the file')
  if ((await workspace.present(known.digest)) !== undefined) return known
  return await workspace.keep(path, tell(createReadStream(file, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>), { algorithm: 'sha256', hex: hexOf(known.digest) })
}

/** Bytes that are known beforehand: the address is only where they happen to be, and does not travel. */
async function fetchedFile(want: Extract<FileWant, { url: string }>, collecting: Collecting): Promise<Item> {
  const { workspace, meter, environment, signal } = collecting
  const name = want.name ?? decodeURIComponent(new URL(want.url).pathname.split('/').at(-1) ?? '')
  const path = served(folderOf(want), name)
  meter.planned(1)
  const coming = meter.coming()
  const digest = digestFromHex(want.sha256)
  const here = await workspace.present(digest)
  const kept = here === undefined ? await fetched(want, path, collecting) : { digest, size: here }
  coming.end()
  signal.throwIfAborted()
  meter.finished(1)
  return itemOf(path, kept, want.version, false)

  async function fetched({ url, sha256 }: typeof want, what: string, { download }: Collecting): Promise<Kept> {
    const http = openHttp(await environmentSettings(environment))
    try {
      return await download(async () => await fetchBlob(http, { url, what, signal, coming, expected: { algorithm: 'sha256', hex: sha256, by: 'the collection file' } }, workspace))
    } finally {
      http.close()
    }
  }
}

function itemOf(path: string, kept: Kept, given: string | undefined, executable: boolean): Item {
  const version = given ?? hexOf(kept.digest).slice(0, 16)
  return {
    kind: 'file',
    name: path,
    version,
    metadata: { path, ...(executable ? { executable: true } : {}) },
    blobs: [{ name: path.slice(path.lastIndexOf('/') + 1), ...kept }],
    source: purl('generic', path.split('/'), version),
  }
}

function folderOf({ to }: FileWant): string {
  return (to ?? '').replace(/^\/+|\/+$/g, '')
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
