import { lstat, readdir, readFile, rm, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { zstdDecompressSync } from 'node:zlib'
import { ensureFolder, writeDurably } from '../../appliance/core/durable-file.ts'
import { DrydockError, isErrno } from '../../appliance/core/error.ts'
import { BLOB_FOLDER, LOCK_FILE, SITES_FOLDER } from '../format/collection-lock.ts'
import { FORMER_LOCKS } from './limits.ts'

/**
 *     WORKSPACE/locks/<created>-<digest>.json    the last FORMER_LOCKS locks before the newest
 *     WORKSPACE/records/*.sent.zst               what build remembers of each bundle (bundles/build)
 *     WORKSPACE/sites/SITE/records/*.sent.zst    the same of each site of a relay
 */
const LOCKS = 'locks'
const RECORDS = 'records'
/** The names that openDurable gives to what is not whole yet. */
const UNFINISHED = /^\.[0-9a-f]{24}\.tmp$/
const DIGEST = /sha256:([0-9a-f]{64})/g

export type Unneeded = { blobs: number; bytes: number }

/** What a run that was killed left behind. Only while the workspace is held: a living run's files look the same. */
export async function sweepLeftovers(folder: string): Promise<void> {
  for (const place of [join(folder, BLOB_FOLDER), join(folder, 'cache/npm'), join(folder, 'cache/copyright')]) {
    for (const name of await namesIn(place)) if (UNFINISHED.test(name)) await unlink(join(place, name))
  }
  const copies = join(folder, 'cache/oci')
  for (const name of await namesIn(copies)) if (name.startsWith('copy-')) await rm(join(copies, name), { recursive: true, force: true })
}

/** Keeps the lock that is about to be replaced, and no more than FORMER_LOCKS of them. */
export async function keepFormerLock(folder: string, text: string, created: string, digest: string): Promise<void> {
  const place = join(folder, LOCKS)
  await ensureFolder(place)
  await writeDurably(join(place, `${created.replaceAll(':', '')}-${digest.slice('sha256:'.length, 'sha256:'.length + 12)}.json`), text, { mode: 0o640 })
  const byAge = await Promise.all((await namesIn(place)).filter(name => name.endsWith('.json')).map(async name => ({ name, time: (await lstat(join(place, name))).mtimeMs })))
  for (const { name } of byAge.toSorted((a, b) => b.time - a.time).slice(FORMER_LOCKS)) await unlink(join(place, name))
}

/**
 * Blobs that neither the newest lock, nor one of the former ones, nor the record of the last bundle (to each site) names.
 * @param remove deletes them. A record that cannot be read stops it: what it needs is not known.
 */
export async function unneededBlobs(folder: string, remove: boolean): Promise<Unneeded> {
  const needed = new Set<string>()
  for (const text of await documents(folder)) for (const match of text.matchAll(DIGEST)) needed.add(match[1]!)
  const found: Unneeded = { blobs: 0, bytes: 0 }
  for (const name of await namesIn(join(folder, BLOB_FOLDER))) {
    if (!/^[0-9a-f]{64}$/.test(name) || needed.has(name)) continue
    const path = join(folder, BLOB_FOLDER, name)
    found.bytes += (await lstat(path)).size
    found.blobs += 1
    if (remove) await unlink(path)
  }
  return found
}

async function documents(folder: string): Promise<string[]> {
  const texts = [await readFile(join(folder, LOCK_FILE), 'utf8')]
  for (const name of await namesIn(join(folder, LOCKS))) if (name.endsWith('.json')) texts.push(await readFile(join(folder, LOCKS, name), 'utf8'))
  const senders = [folder, ...(await namesIn(join(folder, SITES_FOLDER))).map(site => join(folder, SITES_FOLDER, site))]
  for (const sender of senders) {
    const last = (await namesIn(join(sender, RECORDS))).filter(name => name.endsWith('.sent.zst')).toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1)
    if (last !== undefined) texts.push(await recordText(join(sender, RECORDS, last)))
  }
  return texts
}

async function recordText(path: string): Promise<string> {
  const bytes = await readFile(path)
  try {
    return zstdDecompressSync(bytes).toString('utf8')
  } catch (cause) {
    throw new DrydockError('DD-COLLECT-001', `expected the sender's record ${path} to be readable, found it damaged`, 'nothing was pruned; delete the record (the next bundle only becomes larger), then run the command again', { cause })
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (failure) {
    if (isErrno(failure, 'ENOENT')) return []
    throw failure
  }
}
