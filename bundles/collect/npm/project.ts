import { readFile, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { DrydockError, isErrno } from '../../../appliance/core/error.ts'
import { lockWants } from './lockfile.ts'
import type { NpmPlatform } from './platform.ts'
import { pnpmWants } from './pnpm-lock.ts'
import type { NpmWant } from './wanted.ts'
import { yarnWants } from './yarn-lock.ts'

type LockReader = (text: string, what: string, platforms: readonly NpmPlatform[]) => NpmWant[]

const LOCK_FILES: Record<string, LockReader> = {
  'npm-shrinkwrap.json': lockWants,
  'package-lock.json': lockWants,
  'pnpm-lock.yaml': pnpmWants,
  'yarn.lock': yarnWants,
}

/**
 * What an install by the project's lock file would fetch. A path may name the folder or the lock file itself.
 * @returns the wanted versions and the folder whose npm configuration counts.
 * @throws DD-COLLECT-007 when there is no lock file, or more than one tool's, or something in it does not come from a registry.
 */
export async function projectWants(path: string, platforms: readonly NpmPlatform[]): Promise<{ wants: NpmWant[]; folder: string }> {
  const file = (await isFile(path)) ? path : await onlyLockFile(path)
  const read = LOCK_FILES[basename(file)]
  if (read === undefined) throw new DrydockError('DD-COLLECT-007', `expected a lock file named ${Object.keys(LOCK_FILES).join(', ')}, found ${file}`, 'name the project folder, or its lock file')
  return { wants: read(await readFile(file, 'utf8'), file, platforms), folder: dirname(file) }
}

async function onlyLockFile(folder: string): Promise<string> {
  const found: string[] = []
  for (const name of Object.keys(LOCK_FILES)) if (await isFile(join(folder, name))) found.push(name)
  // npm itself reads the shrinkwrap and no package-lock.json beside it.
  const rest = found.includes('npm-shrinkwrap.json') ? found.filter(name => name !== 'package-lock.json') : found
  const [only, second] = rest
  if (only === undefined) {
    throw new DrydockError('DD-COLLECT-007', `expected ${Object.keys(LOCK_FILES).slice(1).join(', ')} in ${folder}, found none`, 'run `npm install --package-lock-only` there (pnpm install --lockfile-only, yarn install) and commit the lock file')
  }
  if (second !== undefined) {
    throw new DrydockError('DD-COLLECT-007', `expected one lock file in ${folder}, found ${rest.join(' and ')}`, 'delete the one that nobody uses, or name the lock file itself under npm.projects')
  }
  return join(folder, only)
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile()
  } catch (failure) {
    if (isErrno(failure, 'ENOENT') || isErrno(failure, 'ENOTDIR')) return false
    throw failure
  }
}
