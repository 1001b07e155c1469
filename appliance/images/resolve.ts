import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { RolePack } from '../../bundles/format/role.ts'
import { DrydockError } from '../core/error.ts'
import type { BlobSource, CatalogueView } from '../model/catalogue.ts'
import { LOCK_FORMAT, type Lock, type LockedDeb, type LockedFile, type LockedRole } from '../model/lock.ts'
import type { PoolSpec } from '../model/pool.ts'
import { openApt } from './apt.ts'
import { agentDigest, BAKER } from './baker.ts'
import { checkPaths } from './conflicting-paths.ts'
import { chooseKernel, debsOf, type Deb } from './debs.ts'
import { chooseBase, chooseRoles, readPacks, type Found } from './packs.ts'
import { openPip, type Pip } from './wheels.ts'

export type ResolveOptions = {
  /** Where the private folders of apt and pip may be made; nothing is left there. */
  workDir: string
  signal: AbortSignal
  arch?: 'amd64' | 'arm64'
}

/**
 * Pool spec → lock, from one generation alone: base and every package by digest. Same spec and same packages, same lock.
 * @throws DD-IMAGE-001 … 008 and 016, each naming what is missing or contradictory and what a bundle must bring.
 */
export async function resolve(spec: Pick<PoolSpec, 'base' | 'roles'>, catalogue: CatalogueView, blobs: BlobSource, options: ResolveOptions): Promise<Lock> {
  const { signal } = options
  const where = { generation: catalogue.generation, arch: options.arch ?? 'amd64', signal }
  const packs = await readPacks(catalogue, blobs)
  const base = chooseBase(spec.base, packs, where)
  const roles = chooseRoles(spec.roles, packs, where)
  const environment = checkEnvironment(roles)

  await mkdir(options.workDir, { recursive: true, mode: 0o755 })
  const folder = await mkdtemp(join(options.workDir, 'resolve-'))
  try {
    const debs = debsOf(catalogue, base.pack.suite, where.arch)
    const apt = await openApt(join(folder, 'apt'), debs, where)
    const essential = [...new Set(debs.filter(deb => deb.essential).map(deb => deb.name))]
    const baseDebs = await apt.closure([...essential, 'apt', ...base.pack.packages], [], `base ${spec.base}`)
    const kernel = chooseKernel(base.pack.kernel, debs, where)

    const locked: LockedRole[] = []
    const installed = [...baseDebs]
    let pip: Pip | undefined
    for (const { pack, digest } of roles) {
      const what = `role ${pack.role} ${pack.version}`
      const added = await apt.closure(pack.payload.apt ?? [], installed, what)
      installed.push(...added)
      const pins = pack.payload.pip ?? []
      if (pins.length > 0) pip ??= await openPip(join(folder, 'pip'), catalogue, blobs, { ...where, python: pythonOf(installed, what) })
      const wheels = (await pip?.closure(pins, locked.flatMap(role => role.wheels), what)) ?? []
      locked.push({
        role: pack.role,
        version: pack.version,
        pack: digest,
        debs: added.map(lockedDeb),
        wheels,
        files: (pack.payload.files ?? []).map(file => ({ from: findFile(file.path, catalogue, what), to: file.to, mode: file.mode ?? '0644' })),
        env: environment.get(pack.role)!,
        verify: pack.verify,
      })
    }
    await checkPaths(locked, blobs, signal)
    return {
      format: LOCK_FORMAT,
      baker: BAKER,
      os: 'linux',
      arch: where.arch,
      base: {
        name: base.pack.base,
        version: base.pack.version,
        pack: base.digest,
        sourceDateEpoch: base.pack.sourceDateEpoch,
        debs: baseDebs.map(lockedDeb),
        kernel: lockedDeb(kernel),
        verify: base.pack.verify,
      },
      roles: locked,
      agent: await agentDigest(),
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function lockedDeb({ name, version, architecture, digest, size }: Deb): LockedDeb {
  return { name, version, architecture, digest, size }
}

/** `3.11`, from the python3 package that stands below. */
function pythonOf(installed: readonly Deb[], what: string): string {
  const version = installed.find(deb => deb.name === 'python3')?.version
  const short = version === undefined ? null : /^(?:\d+:)?(\d+\.\d+)/.exec(version)
  if (short !== null) return short[1]!
  throw new DrydockError('DD-IMAGE-005', `expected a Python below ${what}, which brings Python packages, found none`, 'put a python role before it')
}

function findFile(path: string, catalogue: CatalogueView, what: string): LockedFile {
  for (const item of catalogue.items('file')) {
    const blob = item.blobs[0]
    if (blob !== undefined && (item.metadata['path'] === path || item.name === path)) return { name: path, digest: blob.digest, size: blob.size }
  }
  throw new DrydockError('DD-IMAGE-016', `expected file ${path}, which ${what} needs, in generation ${catalogue.generation}, found none`, `bring ${path} in a bundle`)
}

/** @throws DD-IMAGE-006 when two roles set one variable differently. */
function checkEnvironment(roles: readonly Found<RolePack>[]): Map<string, Record<string, string>> {
  const setBy = new Map<string, RolePack>()
  for (const { pack } of roles) {
    for (const [name, value] of Object.entries(pack.env)) {
      const other = setBy.get(name)
      if (other !== undefined && other.env[name] !== value) {
        throw new DrydockError('DD-IMAGE-006', `expected one value for the environment variable ${name}, found ${JSON.stringify(other.env[name])} from ${other.role} and ${JSON.stringify(value)} from ${pack.role}`, 'leave out one of the two roles')
      }
      setBy.set(name, pack)
    }
  }
  return new Map(roles.map(({ pack }) => [pack.role, pack.env]))
}
