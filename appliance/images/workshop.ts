import { copyFile, link, mkdir, mkdtemp, readdir, readFile, readlink, stat, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { parse } from 'yaml'
import { checkShape } from '../../bundles/format/check.ts'
import { BasePack, RolePack } from '../../bundles/format/role.ts'
import { digestOfFile, parseDigest, type Digest } from '../core/digest.ts'
import { isErrno } from '../core/error.ts'
import { programEnvironment, runProgram } from '../core/run-program.ts'
import type { Lock, LockedDeb, LockedRole } from '../model/lock.ts'
import { AGENT_FOLDER, INITRD_MODULES } from './baker.ts'
import { writeCpio, type CpioEntry } from './cpio.ts'
import { cacheFolder, keepCached, PackedBoot, PackedLayer } from './layer-cache.ts'
import { settingsOf } from './layer-keys.ts'
import { removeInside, runOwnStep, runStep, type Namespace } from './namespace.ts'

/**
 * One bake's work folder. Everything in it is named by the lock; the folder's own name never reaches a file.
 *
 *     repo-base/ repo-roles/   the lock's packages, linked from the blob store, with a Packages index
 *     base/ role-<n>/ last/    layers as folders; their files may belong to subordinate ids
 *     agent/ settings/         what the last layer's step copies
 */
export type Workshop = Namespace & {
  imagesDir: string
  lock: Lock
  blobPath(digest: Digest): string
}

export async function openBasePack(workshop: Workshop): Promise<BasePack> {
  return checkShape(BasePack, parse(await readFile(workshop.blobPath(parseDigest(workshop.lock.base.pack)), 'utf8')), `base pack ${workshop.lock.base.name}`)
}

export async function openRolePack(workshop: Workshop, role: LockedRole): Promise<RolePack> {
  return checkShape(RolePack, parse(await readFile(workshop.blobPath(parseDigest(role.pack)), 'utf8')), `role pack ${role.role}`)
}

/** The base installed by mmdebstrap from the locked packages alone, into base/. */
export async function installBase(workshop: Workshop, suite: string): Promise<void> {
  await makeRepository(workshop, 'repo-base', workshop.lock.base.debs)
  const names = workshop.lock.base.debs.map(deb => deb.name)
  await runStep('base', [suite, names.join(',')], workshop)
}

/** A role's files into role-<n>/: packages merged, wheels installed, files copied. Needs no other layer. */
export async function gatherRole(workshop: Workshop, index: number): Promise<void> {
  const role = workshop.lock.roles[index]!
  const folder = roleFolder(index)
  const [debs, wheels] = [role.debs, role.wheels].map(list => list.map(one => workshop.blobPath(parseDigest(one.digest)))) as [string[], string[]]
  await runStep('merge', [folder, ...debs], workshop, debs)
  if (wheels.length > 0) await runOwnStep('wheels', [folder, role.role, role.version, ...wheels], workshop, wheels)
  const files = role.files.map(file => ({ ...file, path: workshop.blobPath(parseDigest(file.from.digest)) }))
  if (files.length > 0) await runStep('files', [folder, ...files.flatMap(({ path, to, mode }) => [path, to, mode])], workshop, files.map(({ path }) => path))
}

/** Byte code for the role's Python modules, by the Python that stands in the base or in the roles it requires. */
export async function compileRole(workshop: Workshop, index: number, standsOn: readonly number[]): Promise<void> {
  await runStep('compile', [roleFolder(index), [...standsOn.toReversed().map(roleFolder), 'base'].join(':')], workshop)
}

/** The package database of base and roles as a real apt makes it, with the agent and its settings, into last/. */
export async function installLast(workshop: Workshop): Promise<void> {
  const { lock, folder } = workshop
  const debs = lock.roles.flatMap(role => role.debs)
  await makeRepository(workshop, 'repo-roles', debs)
  await writeSettings(workshop)
  await runProgram('cp', { args: ['-R', join(AGENT_FOLDER, 'root'), join(folder, 'agent')] })
  await copyFile(join(AGENT_FOLDER, 'masked-units'), join(folder, 'masked-units'))
  const lowers = [...lock.roles.map((_, index) => roleFolder(index)).toReversed(), 'base']
  await runStep('last', ['last', lowers.join(':'), ...debs.map(deb => `${deb.name}=${deb.version}`)], workshop)
  await runOwnStep('dedupe', ['last', ...lowers], workshop)
}

async function writeSettings({ lock, folder }: Workshop): Promise<void> {
  const { environment, verify } = settingsOf(lock)
  const target = join(folder, 'settings/usr/lib/drydock')
  await mkdir(target, { recursive: true })
  await writeFile(join(target, 'verify.json'), `${JSON.stringify(verify)}\n`)
  await writeFile(join(target, 'environment'), Object.entries(environment).map(([name, value]) => `export ${name}='${value.replaceAll("'", `'\\''`)}'\n`).join(''))
}

/** A layer's folder as squashfs with verity, put into the cache. */
export async function packLayer(workshop: Workshop, folder: string, key: Digest): Promise<PackedLayer> {
  const target = await makeScratch(workshop, 'pack')
  const image = join(target, 'image')
  const [verityRoot, blocks] = (await runStep('pack', [folder, image], workshop)).trim().split(' ') as [string, string]
  const layer = checkShape(PackedLayer, { ...(await digestOfFile(image)), verityRoot, dataBlocks: Number(blocks) }, `layer ${folder}`)
  await keepCached(workshop.imagesDir, key, target, layer)
  return layer
}

/** A cached layer back as a folder, when something new has to stand on it. */
export async function unpackLayer(workshop: Workshop, key: Digest, folder: string): Promise<void> {
  const image = join(cacheFolder(workshop.imagesDir, key), 'image')
  await runStep('unpack', [image, folder], workshop, [image])
}

/** vmlinuz and initrd from the locked kernel and the base. */
export async function packBoot(workshop: Workshop, key: Digest): Promise<PackedBoot> {
  const gathered = 'boot'
  const kernel = workshop.blobPath(parseDigest(workshop.lock.base.kernel.digest))
  await runStep('boot', [kernel, gathered, ...INITRD_MODULES], workshop, [kernel])
  const root = join(workshop.folder, gathered, 'initrd')
  const entries = [...(await cpioEntries(root)), { name: 'init', mode: 0o100755, data: await readFile(join(AGENT_FOLDER, 'initrd/init')) }]
  const target = await makeScratch(workshop, 'pack')
  await writeFile(join(target, 'initrd'), writeCpio(entries, workshop.sourceDateEpoch))
  await copyFile(join(workshop.folder, gathered, 'vmlinuz'), join(target, 'vmlinuz'))
  const boot = { kernel: (await digestOfFile(join(target, 'vmlinuz'))).digest, initrd: (await digestOfFile(join(target, 'initrd'))).digest }
  await keepCached(workshop.imagesDir, key, target, boot)
  return boot
}

export function roleFolder(index: number): string {
  return `role-${index}`
}

export async function closeWorkshop(folder: string): Promise<void> {
  if (await stat(folder).then(() => true, () => false)) await removeInside([folder], AbortSignal.timeout(CLEAN_UP_MS))
}

/** Cleaning up must not be cut short by the cancellation that caused it, nor hang. */
const CLEAN_UP_MS = 60_000

/** Hard links where the store's file system allows, so that packages are neither copied nor written to. */
async function makeRepository(workshop: Workshop, name: string, debs: readonly LockedDeb[]): Promise<void> {
  const folder = join(workshop.folder, name)
  await mkdir(folder)
  for (const deb of debs) {
    const target = join(folder, `${deb.name}_${deb.version.replaceAll(':', '%3a')}_${deb.architecture}.deb`)
    const blob = workshop.blobPath(parseDigest(deb.digest))
    await link(blob, target).catch(async (failure: unknown) => {
      if (!isErrno(failure, 'EXDEV') && !isErrno(failure, 'EPERM') && !isErrno(failure, 'EMLINK')) throw failure
      await copyFile(blob, target)
    })
  }
  const { stdout } = await runProgram('apt-ftparchive', { args: ['packages', '.'], cwd: folder, env: programEnvironment({ HOME: '/nonexistent' }), signal: workshop.signal, package: 'apt-utils' })
  await writeFile(join(folder, 'Packages'), stdout)
}

async function cpioEntries(root: string, folder = root): Promise<CpioEntry[]> {
  const entries: CpioEntry[] = []
  for (const found of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, found.name)
    const name = relative(root, path)
    if (found.isDirectory()) entries.push({ name, mode: 0o040755, data: Buffer.alloc(0) }, ...(await cpioEntries(root, path)))
    else if (found.isSymbolicLink()) entries.push({ name, mode: 0o120777, data: Buffer.from(await readlink(path)) })
    else entries.push({ name, mode: ((await stat(path)).mode & 0o111) === 0 ? 0o100644 : 0o100755, data: await readFile(path) })
  }
  return entries
}

/** The layers' folders, once they are packed: before the image is synced, so that their bytes need never reach the disk. */
export async function dropFolders({ folder, lock, signal }: Workshop): Promise<void> {
  const names = ['base', 'last', 'boot', 'overlay-work', 'repo-base', 'repo-roles', ...lock.roles.map((_, index) => roleFolder(index))]
  await removeInside(names.map(name => join(folder, name)), signal)
}

/** A folder of its own inside the work folder; its bytes may be renamed into the images folder. */
export async function makeScratch(workshop: Workshop, name: string): Promise<string> {
  return await mkdtemp(join(workshop.folder, `${name}-`))
}

/** What an earlier, killed run of the same bake left goes first. */
export async function freshFolder(folder: string): Promise<void> {
  await closeWorkshop(folder)
  await mkdir(folder, { recursive: true, mode: 0o755 })
}
