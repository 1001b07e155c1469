import { link, mkdir, open, rm, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Digest } from '../../appliance/core/digest.ts'
import { printable } from '../../appliance/core/printable.ts'
import type { PublishedAs } from '../../bundles/format/rescan-record.ts'
import { itemKey, type Item } from '../../bundles/format/item.ts'
import { ITEMS_OF_BLOB, OPENED_BYTES } from './limits.ts'
import { PURPOSES, type Purpose } from './purpose.ts'
import { runSandboxed } from './sandbox.ts'

/**
 *   <folder>/view/files/000012-left-pad-1.3.0.tgz    hard links to the blobs, under names that can do no harm
 *   <folder>/view/opened/000013-x.deb.data.tar       what scanners cannot open by themselves, opened in the sandbox
 *   <folder>/view/list                               every path to scan, one a line
 *   <folder>/view/items                              path, tab, the item's key; more tabs and keys when items share the blob
 */
export type View = {
  folder: string
  purpose: Purpose
  /** As the scanner names them: /scan/files/…, /scan/opened/… */
  paths: string[]
  /** Whose bytes these are. */
  of(path: string): Seen | undefined
  /** Debs and zstd: what is in them was opened beside them, as far as that went. */
  closed: ReadonlySet<string>
  /** What could not be opened; it was scanned only as it is. */
  unopened: { seen: Seen; why: 'failed' | 'too-big' }[]
}
export type Seen = { digest: Digest; items: { key: string; label: string }[]; blob: string; /** Not by an import: every file that has these bytes. */ published?: PublishedAs[] }

export type StagedBlob = { digest: Digest; path: string }

const NAMES_AT_ONCE = 16

/** Made anew: what a run that was killed left is removed first. */
export async function makeView(folder: string, staged: readonly StagedBlob[], users: ReadonlyMap<Digest, Seen>, { purpose, signal }: { purpose: Purpose; signal: AbortSignal }): Promise<View> {
  await rm(folder, { recursive: true, force: true })
  for (const name of ['files', 'opened']) await mkdir(join(folder, 'view', name), { recursive: true, mode: 0o700 })
  const seen = new Map<string, Seen>()
  const closed: string[] = []
  let next = 0
  const add = async (): Promise<void> => {
    for (let k = next++; k < staged.length; k = next++) {
      signal.throwIfAborted()
      const { digest, path } = staged[k]!
      const user = users.get(digest) ?? { digest, items: [], blob: 'a blob of no item' }
      const name = `${String(k + 1).padStart(6, '0')}-${harmless(user.blob)}`
      await link(path, join(folder, 'view/files', name))
      seen.set(`/scan/files/${name}`, user)
      const how = await opener(path)
      if (how !== undefined) closed.push(`${how} ${name}\n`)
    }
  }
  await Promise.all(Array.from({ length: NAMES_AT_ONCE }, add))
  const unopened = closed.length === 0 ? [] : await openAll(folder, closed, seen, { purpose, signal })
  const paths = [...seen.keys()].toSorted()
  await writeFile(join(folder, 'view/list'), paths.map(path => `${path}\n`).join(''))
  await writeFile(join(folder, 'view/items'), paths.map(path => `${[path, ...seen.get(path)!.items.map(({ key }) => key)].join('\t')}\n`).join(''))
  return { folder, purpose, paths, unopened, closed: new Set(closed.map(line => `/scan/files/${line.slice(line.indexOf(' ') + 1, -1)}`)), of: path => seen.get(path) }
}

/** Whose bytes these are, by the items that stand for them. */
export function usersOf(items: readonly Item[]): Map<Digest, Seen> {
  const users = new Map<Digest, Seen>()
  for (const item of items) for (const { digest } of item.blobs) users.set(digest, seenIn(item, digest, users.get(digest)))
  return users
}

/** One more item that has this blob; the blob is called as the first of them calls it. */
export function seenIn(item: Item, digest: Digest, before: Seen | undefined): Seen {
  const named = { key: printable(itemKey(item)), label: printable(`${item.name} ${item.version}`) }
  if (before === undefined) return { digest, items: [named], blob: printable(item.blobs.find(blob => blob.digest === digest)?.name ?? digest) }
  if (before.items.length < ITEMS_OF_BLOB) before.items.push(named)
  return before
}

/** The end of a name is what programs look at: `.whl`, `.tar.gz`. */
function harmless(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9._-]/g, '_').slice(-80)
}

const DEB = Buffer.from('!<arch>\ndebian-binary')
const ZSTD = 0xfd2fb528
/** What a reader of zstd passes over, in front of what it unpacks (RFC 8878, 3.1.2): sixteen magic numbers. */
const SKIPPABLE = 0x184d2a5

/** By the first bytes, never by the name. */
async function opener(path: string): Promise<'deb' | 'zstd' | undefined> {
  const file = await open(path, 'r')
  try {
    const head = Buffer.alloc(DEB.length)
    await file.read(head, 0, head.length, 0)
    if (head.equals(DEB)) return 'deb'
    const magic = head.readUInt32LE(0)
    return magic === ZSTD || magic >>> 4 === SKIPPABLE ? 'zstd' : undefined
  } finally {
    await file.close()
  }
}

const SCRIPT = join(import.meta.dirname, 'open-archives.sh')
const ANSWER = /^(\S+) (opened|failed|too-big) (\S+)$/

/** ClamAV opens neither debs nor zstd, so this is done for every scanner, by dpkg-deb and zstd behind the same walls. */
async function openAll(folder: string, closed: readonly string[], seen: Map<string, Seen>, { purpose, signal }: { purpose: Purpose; signal: AbortSignal }): Promise<View['unopened']> {
  const disk = await statfs(folder)
  const budget = Math.min(OPENED_BYTES, Math.floor(disk.bavail * disk.bsize * PURPOSES[purpose].ofFree))
  const opened = { path: join(folder, 'view/opened'), largest: budget + 1 }
  const { stdout } = await runSandboxed({
    name: 'open-archives', purpose, command: ['/usr/bin/bash', '/open-archives.sh', String(budget)], folder, files: [[SCRIPT, '/open-archives.sh']], opened, input: closed.toSorted().join(''), accept: [0], signal,
  })
  const unopened: View['unopened'] = []
  for (const line of stdout.split('\n')) {
    const [, name = '', what, out = ''] = ANSWER.exec(line) ?? []
    const user = seen.get(`/scan/files/${name}`)
    if (user === undefined) continue
    // What came out before it failed is looked at too.
    if (what !== 'too-big') seen.set(`/scan/opened/${out}`, user)
    if (what === 'failed' || what === 'too-big') unopened.push({ seen: user, why: what })
  }
  return unopened
}
