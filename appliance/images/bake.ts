import { mkdir, readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { checkShape } from '../../bundles/format/check.ts'
import { hexOf, type Digest } from '../core/digest.ts'
import { writeDurably } from '../core/durable-file.ts'
import { DrydockError, isErrno } from '../core/error.ts'
import type { ImageManifest } from '../model/image.ts'
import { Lock } from '../model/lock.ts'
import type { Progress } from '../model/operation.ts'
import { agentDigest, BAKER, stepsDigest } from './baker.ts'
import { assembleImage, type NamedLayer } from './disk.ts'
import { findBoot, findLayer, type PackedBoot, type PackedLayer } from './layer-cache.ts'
import { layerKeys, requiredRoles, type LayerKeys } from './layer-keys.ts'
import { limitTo } from './limiter.ts'
import { readImage } from './read-image.ts'
import { specDigest } from './spec-digest.ts'
import {
  closeWorkshop, compileRole, dropFolders, freshFolder, gatherRole, installBase, installLast, openBasePack, openRolePack, packBoot, packLayer, roleFolder, unpackLayer, type Workshop,
} from './workshop.ts'

export type BakeInput = {
  /** The file that holds a blob named by the lock. Nothing else is read, and there is no network. */
  blobPath(digest: Digest): string
  imagesDir: string
  /** On the same file system as imagesDir. */
  workDir: string
  signal: AbortSignal
  progress(progress: Progress): void
}

/**
 * Lock → image, in `imagesDir/<hex>/`; the same lock always gives the same bytes, and a finished image is never baked again. May be killed
 * anywhere and started again. The caller sees to it that one lock is baked once at a time.
 * @throws DD-IMAGE-009 without user namespaces, DD-IMAGE-010 when a step fails, DD-IMAGE-014 for a lock of another baker, DD-CORE-007 when cancelled.
 */
export async function bake(lock: Lock, input: BakeInput): Promise<ImageManifest> {
  checkShape(Lock, lock, 'lock')
  const spec = specDigest(lock)
  const finished = await findBaked(input.imagesDir, spec)
  if (finished !== undefined) return finished
  await checkBaker(lock)

  const folder = join(input.workDir, `bake-${hexOf(spec).slice(0, 16)}`)
  await mkdir(input.imagesDir, { recursive: true, mode: 0o755 })
  await freshFolder(folder)
  const workshop: Workshop = { folder, sourceDateEpoch: lock.base.sourceDateEpoch, signal: input.signal, imagesDir: input.imagesDir, lock, blobPath: input.blobPath }
  try {
    const manifest = await bakeIn(workshop, spec, input.progress)
    await mkdir(join(input.imagesDir, 'specs'), { recursive: true, mode: 0o755 })
    await writeDurably(join(input.imagesDir, 'specs', hexOf(spec)), `${manifest.digest}\n`, { mode: 0o444 })
    return manifest
  } finally {
    await closeWorkshop(folder)
  }
}

/** The finished image of a spec digest, when there is one. */
export async function findBaked(imagesDir: string, spec: Digest): Promise<ImageManifest | undefined> {
  try {
    const digest = (await readFile(join(imagesDir, 'specs', hexOf(spec)), 'utf8')).trim()
    return await readImage(imagesDir, digest)
  } catch (failure) {
    if (isErrno(failure, 'ENOENT') || (failure instanceof DrydockError && failure.code === 'DD-IMAGE-012')) return undefined
    throw failure
  }
}

async function bakeIn(workshop: Workshop, spec: Digest, report: (progress: Progress) => void): Promise<ImageManifest> {
  const { lock } = workshop
  const basePack = await openBasePack(workshop)
  const requires = await Promise.all(lock.roles.map(async role => (await openRolePack(workshop, role)).requires))
  const keys = layerKeys(lock, basePack, requires, await stepsDigest())

  const total = lock.roles.length + 4
  let done = 0
  const step = (phase: string): void => report({ phase, done: done++, total, unit: 'steps', etaSeconds: null })
  step('base')
  const made = await makeLayers(workshop, keys, { suite: basePack.suite, requires, step })
  step('disk')
  await dropFolders(workshop)
  const layers: NamedLayer[] = [
    { name: 'base', key: keys.base, packed: made.base },
    ...lock.roles.map((role, index) => ({ name: `${role.role}-${role.version}`, key: keys.roles[index]!, packed: made.roles[index]! })),
    { name: 'database', key: keys.last, packed: made.last },
  ]
  const manifest = await assembleImage(workshop, { spec, layers, boot: { key: keys.boot, packed: made.boot } })
  report({ phase: 'done', done: total, total, unit: 'steps', etaSeconds: 0 })
  return manifest
}

type Making = { suite: string; requires: readonly (readonly string[])[]; step: (phase: string) => void }
type Made = { base: PackedLayer; roles: PackedLayer[]; last: PackedLayer; boot: PackedBoot }

/**
 * Each layer once: from the cache, or made. Folders of cached layers are unpacked only when something new has to stand on them:
 *
 *     base folder ──┬─→ pack base
 *     gather roles ─┼─→ compile → pack role          (side by side, as many as there are cores)
 *                   ├─→ kernel and initrd
 *                   └─→ (all folders) → last → pack last
 */
async function makeLayers(workshop: Workshop, keys: LayerKeys, { suite, requires, step }: Making): Promise<Made> {
  const { lock } = workshop
  const limited = limitTo(Math.max(2, availableParallelism()))
  const cachedBase = await findLayer(workshop.imagesDir, keys.base)
  const cachedRoles = await Promise.all(keys.roles.map(key => findLayer(workshop.imagesDir, key)))
  const cachedLast = await findLayer(workshop.imagesDir, keys.last)
  const cachedBoot = await findBoot(workshop.imagesDir, keys.boot)
  if (cachedBase !== undefined && cachedLast !== undefined && cachedBoot !== undefined && cachedRoles.every(role => role !== undefined)) {
    return { base: cachedBase, roles: cachedRoles, last: cachedLast, boot: cachedBoot }
  }

  const baseFolder = limited(async () => {
    await (cachedBase === undefined ? installBase(workshop, suite) : unpackLayer(workshop, keys.base, 'base'))
    step('roles')
  })
  const gathered = lock.roles.map((_, index) =>
    limited(async () => await (cachedRoles[index] === undefined ? gatherRole(workshop, index) : unpackLayer(workshop, keys.roles[index]!, roleFolder(index)))),
  )
  // A role compiles on the folders of those below it, so these must have been compiled themselves.
  const ready: Promise<void>[] = []
  lock.roles.forEach((_, index) => {
    const standsOn = requiredRoles(lock, requires, index)
    const below = standsOn.map(place => ready[place]!)
    ready.push(
      (async () => {
        await Promise.all([baseFolder, gathered[index]!, ...below])
        if (cachedRoles[index] === undefined) await limited(() => compileRole(workshop, index, standsOn))
        step(`role ${lock.roles[index]!.role}`)
      })(),
    )
  })
  const settled = await Promise.allSettled([
    (async () => cachedBase ?? (await baseFolder, await limited(() => packLayer(workshop, 'base', keys.base))))(),
    (async () => cachedBoot ?? (await baseFolder, await limited(() => packBoot(workshop, keys.boot))))(),
    (async () => {
      if (cachedLast !== undefined) return cachedLast
      await Promise.all([baseFolder, ...ready])
      await limited(() => installLast(workshop))
      step('last')
      return await limited(() => packLayer(workshop, 'last', keys.last))
    })(),
    ...lock.roles.map(async (_, index) => cachedRoles[index] ?? (await ready[index], await limited(() => packLayer(workshop, roleFolder(index), keys.roles[index]!)))),
    baseFolder,
    ...gathered,
    ...ready,
  ])
  // Every step has ended before the first failure is told: nothing of ours may still run when the work folder goes.
  for (const outcome of settled) if (outcome.status === 'rejected') throw outcome.reason
  const [base, boot, last, ...rest] = settled.map(outcome => (outcome.status === 'fulfilled' ? outcome.value : undefined))
  return { base: base as PackedLayer, boot: boot as PackedBoot, last: last as PackedLayer, roles: rest.slice(0, lock.roles.length) as PackedLayer[] }
}

async function checkBaker(lock: Lock): Promise<void> {
  const agent = await agentDigest()
  if (lock.baker === BAKER && lock.agent === agent) return
  throw new DrydockError(
    'DD-IMAGE-014',
    `expected a lock of this appliance's baker (${BAKER}) and agent (${agent.slice(7, 19)}), found baker ${lock.baker} and agent ${lock.agent.slice(7, 19)}`,
    'apply the pool again, so that it is resolved anew; images that were baked before stay usable',
  )
}
