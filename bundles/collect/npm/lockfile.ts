import { cp, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeDurably } from '../../../appliance/core/durable-file.ts'
import { DrydockError, isErrno } from '../../../appliance/core/error.ts'
import { runProgram } from '../../../appliance/core/run-program.ts'

/** A machine that will install: npm's words (`linux`, `x64`, `glibc`). */
export type NpmPlatform = { os: string; cpu: string; libc?: string | undefined }
/** One version that a lock file names. `integrity` is the lock's, when it has one. */
export type NpmWant = { name: string; version: string; integrity: string | undefined; tags: string[] }

type LockEntry = {
  name?: string
  version?: string
  resolved?: string
  integrity?: string
  link?: boolean
  inBundle?: boolean
  optional?: boolean
  os?: string[]
  cpu?: string[]
  libc?: string[]
}

/**
 * What `npm ci` in this folder would install on one of the platforms.
 * @throws DD-COLLECT-007 when there is no lock file that says it, or something in it does not come from a registry.
 */
export async function projectWants(folder: string, platforms: readonly NpmPlatform[]): Promise<NpmWant[]> {
  for (const name of ['npm-shrinkwrap.json', 'package-lock.json']) {
    const text = await readFile(join(folder, name), 'utf8').catch((failure: unknown) => {
      if (isErrno(failure, 'ENOENT')) return undefined
      throw failure
    })
    if (text !== undefined) return lockWants(text, join(folder, name), platforms)
  }
  throw new DrydockError('DD-COLLECT-007', `expected package-lock.json in ${folder}, found none`, 'run `npm install --package-lock-only` there and commit the lock file')
}

export function lockWants(text: string, what: string, platforms: readonly NpmPlatform[]): NpmWant[] {
  const lock = parsedLock(text, what)
  if (lock.packages === undefined || lock.lockfileVersion === undefined || lock.lockfileVersion < 2) {
    throw new DrydockError('DD-COLLECT-007', `expected ${what} of lockfileVersion 2 or 3, found ${lock.lockfileVersion ?? 'none'}`, 'make it again with npm 7 or newer: npm install --package-lock-only')
  }
  const wants = new Map<string, NpmWant>()
  for (const [place, entry] of Object.entries(lock.packages)) {
    const installed = place.lastIndexOf('node_modules/')
    if (installed === -1 || entry.link === true || entry.inBundle === true) continue
    if (entry.optional === true && !platforms.some(platform => runsOn(entry, platform))) continue
    const name = entry.name ?? place.slice(installed + 'node_modules/'.length)
    if (entry.version === undefined || (entry.resolved !== undefined && !fromRegistry(entry.resolved, name))) {
      throw new DrydockError('DD-COLLECT-007', `expected ${name} in ${what} to come from a registry, found ${entry.resolved ?? 'no version'}`, 'depend on a published version: what comes from git, a folder or a lone tarball cannot be mirrored as a package')
    }
    const key = `${name}@${entry.version}`
    const before = wants.get(key)
    if (before?.integrity !== undefined && entry.integrity !== undefined && before.integrity !== entry.integrity) {
      throw new DrydockError('DD-COLLECT-004', `expected one integrity for ${key} in ${what}, found two`, 'make the lock file again')
    }
    wants.set(key, { name, version: entry.version, integrity: before?.integrity ?? entry.integrity, tags: [] })
  }
  return [...wants.values()]
}

function parsedLock(text: string, what: string): { lockfileVersion?: number; packages?: Record<string, LockEntry> } {
  try {
    return JSON.parse(text) as ReturnType<typeof parsedLock>
  } catch (cause) {
    throw new DrydockError('DD-COLLECT-007', `expected ${what} to be JSON, found something else`, 'make it again: npm install --package-lock-only', { cause })
  }
}

/** npm's rule (npm-install-checks): `!x` forbids, a list without `!` must name it. */
function runsOn(entry: LockEntry, platform: NpmPlatform): boolean {
  const allows = (list: string[] | undefined, value: string | undefined) => {
    if (list === undefined || list.length === 0 || value === undefined) return true
    if (list.includes(`!${value}`)) return false
    return list.every(word => word.startsWith('!')) || list.includes(value) || list.includes('any')
  }
  return allows(entry.os, platform.os) && allows(entry.cpu, platform.cpu) && allows(entry.libc, platform.libc)
}

function fromRegistry(resolved: string, name: string): boolean {
  return /^https?:/.test(resolved) && resolved.includes(`${name}/-/`) || /^https?:.*\/-\//.test(resolved)
}

/**
 * Names and ranges, or a project without a lock file, resolved by npm itself into a lock file in a folder of its own.
 * @throws DD-COLLECT-006 when npm finds no such version.
 */
export async function packageWants(specs: readonly string[], platforms: readonly NpmPlatform[], environment: NodeJS.ProcessEnv, signal: AbortSignal, npmrcFolder: string): Promise<NpmWant[]> {
  const folder = await mkdtemp(join(tmpdir(), 'drydock-npm-'))
  try {
    await cp(join(npmrcFolder, '.npmrc'), join(folder, '.npmrc')).catch(() => undefined)
    const all: NpmWant[] = []
    for (const spec of specs) {
      // One at a time: two ranges of one name are a wish, not a conflict.
      await writeDurably(join(folder, 'package.json'), '{ "private": true }')
      await rm(join(folder, 'package-lock.json'), { force: true })
      await npmInstall(spec, folder, environment, signal)
      const name = spec.replace(/(?<=.)@.*$/, '')
      const range = spec.slice(name.length + 1)
      const tag = range === '' ? 'latest' : /^[a-z][a-z0-9-]*$/i.test(range) ? range : undefined
      const text = await readFile(join(folder, 'package-lock.json'), 'utf8')
      const root = (parsedLock(text, spec).packages ?? {})[`node_modules/${name}`]
      for (const want of lockWants(text, spec, platforms)) {
        all.push(tag !== undefined && want.name === name && want.version === root?.version ? { ...want, tags: [tag] } : want)
      }
    }
    return all
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function npmInstall(spec: string, folder: string, environment: NodeJS.ProcessEnv, signal: AbortSignal): Promise<void> {
  const { stderr, code } = await runProgram('npm', {
    args: ['install', '--package-lock-only', '--ignore-scripts', '--no-audit', '--no-fund', '--no-update-notifier', '--omit-lockfile-registry-resolved', '--save-exact', '--', spec],
    cwd: folder,
    env: environment,
    signal,
    accept: [0, 1],
  })
  if (code === 0) return
  if (/E404|ETARGET|ENOVERSIONS/.test(stderr)) {
    throw new DrydockError('DD-COLLECT-006', `expected npm package ${spec} in the registry, found no version that fits`, 'check the name and the range, and which registry `npm config get registry` names')
  }
  const said = stderr.split('\n').find(line => /npm (error|ERR!) /.test(line))?.replace(/^npm (error|ERR!) /, '')
  throw new DrydockError('DD-COLLECT-005', `expected npm to resolve ${spec}, found ${said ?? 'a failure'}`, 'check the network and `npm config list`, then run the command again: what was fetched is kept')
}
