import { cp, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeDurably } from '../../../appliance/core/durable-file.ts'
import { DrydockError } from '../../../appliance/core/error.ts'
import { runProgram } from '../../../appliance/core/run-program.ts'
import { runsOn, type NpmPlatform, type PlatformLists } from './platform.ts'
import { isRegistryTarball, notFromRegistry, wantedVersions, type NpmWant } from './wanted.ts'

type LockEntry = PlatformLists & { name?: string; version?: string; resolved?: string; integrity?: string; link?: boolean; inBundle?: boolean; optional?: boolean }

/** What `npm ci` with this lock file would install on one of the platforms. */
export function lockWants(text: string, what: string, platforms: readonly NpmPlatform[]): NpmWant[] {
  const lock = parsedLock(text, what)
  if (lock.packages === undefined || lock.lockfileVersion === undefined || lock.lockfileVersion < 2) {
    throw new DrydockError('DD-COLLECT-007', `expected ${what} of lockfileVersion 2 or 3, found ${lock.lockfileVersion ?? 'none'}`, 'make it again with npm 7 or newer: npm install --package-lock-only')
  }
  const wants = wantedVersions(what)
  for (const [place, entry] of Object.entries(lock.packages)) {
    const installed = place.lastIndexOf('node_modules/')
    if (installed === -1 || entry.inBundle === true) continue
    const name = entry.name ?? place.slice(installed + 'node_modules/'.length)
    if (entry.link === true) {
      if (entry.resolved?.startsWith('..') === true) throw notFromRegistry(name, what, `a link to ${entry.resolved}, outside of the project`)
      continue
    }
    if (entry.optional === true && !platforms.some(platform => runsOn(entry, platform))) continue
    if (entry.version === undefined || (entry.resolved !== undefined && !isRegistryTarball(entry.resolved))) throw notFromRegistry(name, what, entry.resolved ?? 'no version')
    wants.add({ name, version: entry.version, integrity: entry.integrity, tags: [] })
  }
  return wants.all()
}

function parsedLock(text: string, what: string): { lockfileVersion?: number; packages?: Record<string, LockEntry> } {
  try {
    return JSON.parse(text) as ReturnType<typeof parsedLock>
  } catch (cause) {
    throw new DrydockError('DD-COLLECT-007', `expected ${what} to be JSON, found something else`, 'make it again: npm install --package-lock-only', { cause })
  }
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
