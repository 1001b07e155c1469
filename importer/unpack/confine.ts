import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ENTRY_BYTES } from '../../bundles/archive/header.ts'
import { killGroup } from '../../appliance/core/kill-group.ts'
import { seccompFilter } from './seccomp.ts'

/** The code that the confined process may see, from the root of the package. */
const CODE = ['package.json', 'appliance/core', 'bundles/archive', 'importer/unpack', 'node_modules/tar'] as const
const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const LOADERS = ['/lib64/ld-linux-x86-64.so.2', '/lib/ld-linux-aarch64.so.1']
/** Young and old generation of the confined process in MiB; its buffers are two of 1 MiB. */
const HEAP_MIB = 48
const OPEN_FILES = 64

export type Confined = {
  /** Path of the program from the root of the package: `importer/unpack/inside.ts`. */
  program: string
  /** The one folder that it may write, seen as /staging. */
  staging: string
  /** The media's open file, seen as descriptor 3. */
  media: number
  /** The largest file that it may write, in bytes. */
  largest?: number
  signal?: AbortSignal
  /** For the proof that the walls do not depend on Node: switches its permission model off, and adds a folder of test code. */
  test?: { withoutPermissionModel: boolean; code: string }
}

/**
 * Starts a program of ours behind two walls. One is Node's permission model, which says itself that it does not stop malicious code.
 * The other does not need Node: bubblewrap with an empty network namespace, no file but its code and the staging folder, no capabilities,
 * no new privileges, a seccomp filter, and limits of prlimit(1).
 */
export function startConfined(confined: Confined): ChildProcess {
  const largest = Math.max(confined.largest ?? 0, ENTRY_BYTES)
  const args = [
    `--nofile=${OPEN_FILES}:${OPEN_FILES}`, '--core=0:0', `--fsize=${largest}:${largest}`, '--memlock=65536:65536', '--',
    'bwrap', '--unshare-all', '--unshare-user', '--cap-drop', 'ALL', '--die-with-parent', '--clearenv', '--hostname', 'unpack',
    ...nodeBinds(), ...codeBinds(confined), '--bind', confined.staging, '/staging', '--remount-ro', '/', '--chdir', '/code', '--seccomp', '4', '--',
    '/node', `--max-old-space-size=${HEAP_MIB}`, '--max-semi-space-size=4', '--no-addons', '--disable-warning=ExperimentalWarning',
    ...(confined.test?.withoutPermissionModel === true ? [] : ['--permission', '--allow-fs-read=/code', '--allow-fs-read=/staging', '--allow-fs-write=/staging']),
    join('/code', confined.program),
  ]
  // Told before the child's own listener, which kills its first process alone.
  confined.signal?.addEventListener('abort', () => killGroup(child), { once: true })
  const child = spawn('prlimit', args, {
    env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' },
    stdio: ['pipe', 'pipe', 'pipe', confined.media, 'pipe'],
    // A session of its own, so no terminal, and a group that can be killed as a whole: bubblewrap must not make another one.
    detached: true,
    ...(confined.signal === undefined ? {} : { signal: confined.signal, killSignal: 'SIGKILL' as const }),
  })
  const filter = child.stdio[4] as NodeJS.WritableStream
  filter.on('error', () => undefined)
  filter.end(seccompFilter())
  return child
}

/** This Node itself, its loader, and the libraries that it has loaded, under their sonames. */
function nodeBinds(): string[] {
  const loaded = new Set(readFileSync('/proc/self/maps', 'utf8').match(/\/\S+\.so(\.\d+)*$/gm) ?? [])
  const libraries = [...loaded].filter(path => !basename(path).startsWith('ld-linux'))
  return [
    '--ro-bind', process.execPath, '/node',
    ...LOADERS.filter(path => existsSync(path)).flatMap(path => ['--ro-bind', path, path]),
    ...libraries.flatMap(path => ['--ro-bind', path, `/lib/${/^.*?\.so(\.\d+)?/.exec(basename(path))![0]}`]),
    '--setenv', 'LD_LIBRARY_PATH', '/lib',
  ]
}

function codeBinds(confined: Confined): string[] {
  const binds = CODE.flatMap(path => ['--ro-bind', join(ROOT, path), join('/code', path)])
  return confined.test === undefined ? binds : [...binds, '--ro-bind', confined.test.code, '/code/test']
}
