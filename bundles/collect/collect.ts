import { readFile, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Clock } from '../../appliance/core/clock.ts'
import { digestOf, type Digest } from '../../appliance/core/digest.ts'
import { ensureFolder, writeDurably } from '../../appliance/core/durable-file.ts'
import { DrydockError } from '../../appliance/core/error.ts'
import { canonicalJson } from '../format/canonical-json.ts'
import { checkShape } from '../format/check.ts'
import { CollectionLock, LOCK_FILE } from '../format/collection-lock.ts'
import { itemKey, type Item } from '../format/item.ts'
import { collectApt } from './apt/collect-apt.ts'
import { collectClamav } from './clamav/collect-clamav.ts'
import type { Collecting } from './collecting.ts'
import { readCollection, type Collection } from './collection.ts'
import { allOrStop, limiter } from './fetch/limiter.ts'
import { collectFiles } from './files/collect-files.ts'
import { HALVES } from './half.ts'
import { holdWorkspace } from './hold.ts'
import { PARALLEL_DOWNLOADS, PARALLEL_FILES } from './limits.ts'
import { collectNpm } from './npm/collect-npm.ts'
import { collectImages } from './oci/collect-oci.ts'
import { startMeter, type CollectProgress } from './progress.ts'
import { keepFormerLock, sweepLeftovers, unneededBlobs, type Unneeded } from './prune.ts'
import { collectPypi } from './pypi/collect-pypi.ts'
import { packItem, readPacks, selectPacks } from './roles/role-packs.ts'
import { architecturesOf, checkRoleFiles, wantsOf } from './wants.ts'
import { openWorkspace } from './workspace.ts'

const SHIPPED_ROLES = fileURLToPath(new URL('../roles', import.meta.url))

export type CollectInput = {
  /** Path of collection.yaml. */
  collection: string
  /** Folder that gets lock.json and blobs/; made when it is not there. */
  workspace: string
  environment: NodeJS.ProcessEnv
  clock: Clock
  signal: AbortSignal
  /** Deletes blobs that no lock needs any more; otherwise they are only counted. */
  prune?: boolean
  progress: (progress: CollectProgress) => void
}

export type Collected = { lock: CollectionLock; lockPath: string; lockDigest: Digest; counts: Record<string, number>; bytes: number; blobs: number; fetchedBytes: number; unneeded: Unneeded }

/**
 * Resolves a collection file to WORKSPACE/lock.json and brings every blob that it names into WORKSPACE/blobs, checked by what
 * upstream signed or hashed. Run again it fetches only what is missing; the same upstream gives the same lock, byte for byte.
 * lock.json is written last, so one that is there is complete.
 */
export async function collect(input: CollectInput): Promise<Collected> {
  const collection = await readCollection(input.collection, input.environment)
  const folder = resolve(input.workspace)
  await ensureFolder(folder)
  const letGo = await holdWorkspace(folder, input.clock)
  try {
    await sweepLeftovers(folder)
    return await collectInto(folder, collection, input)
  } finally {
    await letGo()
  }
}

async function collectInto(folder: string, collection: Collection, input: CollectInput): Promise<Collected> {
  let fetchedBytes = 0
  const meter = startMeter(progress => {
    fetchedBytes = progress.bytes
    input.progress(progress)
  })
  try {
    const workspace = await openWorkspace(folder, meter)
    const lockPath = join(folder, LOCK_FILE)
    const former = await formerLock(lockPath)
    const before = new Map(former?.lock.items.map(item => [itemKey(item), item]))
    const collecting: Collecting = { workspace, meter, download: limiter(PARALLEL_DOWNLOADS), signal: input.signal, environment: input.environment, pinned: key => before.get(key) }
    const { items, newest } = await collectItems(collection, dirname(resolve(input.collection)), collecting)
    const lock = lockOf(collection, oneOfEach(items), { former: former?.lock, newest, environment: input.environment, clock: input.clock })
    const text = `${canonicalJson(lock)}\n`
    const lockDigest = digestOf(text)
    if (former !== undefined && former.digest !== lockDigest) await keepFormerLock(folder, former.text, former.lock.created, former.digest)
    await writeDurably(lockPath, text, { mode: 0o640 })
    // All that was wanted is whole; what is half is of something that nobody wants any more.
    await rm(join(folder, HALVES), { recursive: true, force: true })
    meter.stop()
    return { lock, lockPath, lockDigest, fetchedBytes, ...totals(lock), unneeded: await unneededBlobs(folder, input.prune === true) }
  } finally {
    meter.stop()
  }
}

async function collectItems(collection: Collection, folder: string, collecting: Collecting): Promise<{ items: Item[]; newest: Date | undefined }> {
  collecting.meter.tell()
  const packs = selectPacks(collection.roles ?? [], await readPacks([SHIPPED_ROLES, ...(collection.rolePacks ?? [])]), architecturesOf(collection))
  const wants = wantsOf(collection, packs, folder)
  const images = (collection.images ?? []).map(image => ({ to: 'images', ...image }))
  const atOnce = limiter(PARALLEL_FILES)
  const files = (await allOrStop(collecting.signal, signal => [...(collection.files ?? []), ...images].map(entry => atOnce(async () => await collectFiles(entry, { ...collecting, signal }))))).flat()
  if (collection.clamav !== undefined) files.push(await collectClamav(collection.clamav, collecting))
  checkRoleFiles(packs, new Set(files.map(item => item.name)))
  const dates: Date[] = []
  // One architecture after the other: a package for all of them is fetched once.
  const aptItems = async (within: Collecting) => {
    const found: Item[] = []
    for (const want of wants.apt) {
      const apt = await collectApt(want, within)
      found.push(...apt.items)
      if (apt.newest !== undefined) dates.push(apt.newest)
    }
    return found
  }
  const kinds = await allOrStop(collecting.signal, signal => {
    const within = { ...collecting, signal }
    return [
      aptItems(within),
      wants.npm === undefined ? Promise.resolve([]) : collectNpm(wants.npm, within),
      wants.pypi === undefined ? Promise.resolve([]) : collectPypi(wants.pypi, within),
      collectImages(collection.oci ?? [], within),
      allOrStop(signal, each => packs.map(pack => packItem(pack, { ...within, signal: each }))),
    ]
  })
  return { items: [...files, ...kinds.flat()], newest: dates.toSorted((a, b) => b.getTime() - a.getTime())[0] }
}

/** In the order of their keys. @throws DD-COLLECT-012 when one key stands for two contents. */
function oneOfEach(items: readonly Item[]): Item[] {
  const byKey = new Map<string, Item>()
  for (const item of items) {
    const key = itemKey(item)
    const before = byKey.get(key)
    if (before !== undefined && canonicalJson(before.blobs) !== canonicalJson(item.blobs)) {
      throw new DrydockError('DD-COLLECT-012', `expected one content for ${key}, found two`, 'give one of them another name or version')
    }
    byKey.set(key, item)
  }
  return [...byKey].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, item]) => item)
}

type Times = { former: CollectionLock | undefined; newest: Date | undefined; environment: NodeJS.ProcessEnv; clock: Clock }

/**
 * `created`: the collection's own; SOURCE_DATE_EPOCH; the former lock's when the items are the same (so that collecting again
 * changes nothing); the newest apt Release's Date; last, the clock, when nothing upstream has a signed date.
 */
function lockOf(collection: Collection, items: Item[], { former, newest, environment, clock }: Times): CollectionLock {
  const epoch = environment['SOURCE_DATE_EPOCH']
  const same = former !== undefined && former.name === collection.name && canonicalJson(former.items) === canonicalJson(items)
  const created =
    collection.created ??
    (epoch !== undefined && /^\d{1,11}$/.test(epoch) ? seconds(new Date(Number(epoch) * 1000)) : undefined) ??
    (same ? former.created : undefined) ??
    seconds(newest ?? clock.now())
  return checkShape(CollectionLock, { format: 'drydock-collection-lock/1', name: collection.name, created, items }, 'lock.json')
}

function seconds(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`
}

/** The lock of the last run; undefined when there is none, or none that can be read. */
async function formerLock(path: string): Promise<{ lock: CollectionLock; text: string; digest: Digest } | undefined> {
  try {
    const text = await readFile(path, 'utf8')
    return { lock: checkShape(CollectionLock, JSON.parse(text), path), text, digest: digestOf(text) }
  } catch {
    return undefined
  }
}

function totals(lock: CollectionLock): { counts: Record<string, number>; bytes: number; blobs: number } {
  const counts: Record<string, number> = {}
  const sizes = new Map<string, number>()
  for (const item of lock.items) {
    counts[item.kind] = (counts[item.kind] ?? 0) + 1
    for (const blob of item.blobs) sizes.set(blob.digest, blob.size)
  }
  return { counts, blobs: sizes.size, bytes: [...sizes.values()].reduce((sum, size) => sum + size, 0) }
}
