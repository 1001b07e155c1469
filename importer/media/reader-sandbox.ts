import { spawn, type ChildProcess } from 'node:child_process'
import { realpath, stat } from 'node:fs/promises'
import { findProgram } from '../../appliance/core/find-program.ts'
import { programEnvironment, runProgram } from '../../appliance/core/run-program.ts'
import { killGroup } from '../../appliance/core/kill-group.ts'
import { seccompFilter } from '../unpack/seccomp.ts'
import { checkWalls } from '../unpack/walls.ts'
import { READER_BYTES } from './limits.ts'

/** GRUB's own readers of file systems as a program (Debian: grub-common): FAT, exFAT, ext2 to 4, ISO 9660, UDF, and partition tables. */
const READER = 'grub-fstest'
const READER_PACKAGE = 'grub-common'
const OPEN_FILES = 16

export type Confined = {
  /** The device or image; the one file beside the reader and its libraries that is there. */
  medium: string
  args: readonly string[]
  cpuSeconds?: number
  /** Where its output goes: a pipe of ours, or an open descriptor. */
  stdout: 'pipe' | number
  signal?: AbortSignal
  /** For the proof that the walls hold: another program in the reader's place. */
  test?: { program: string }
}

/**
 * Starts the reader over one medium behind walls that do not depend on it: no network, no file but itself, its libraries and the medium, no
 * capabilities, no new privileges, limits of prlimit(1), and a filter of system calls by which nothing can be opened for writing, no process
 * started, and a device asked for its size alone.
 */
export async function startReader(confined: Confined): Promise<ChildProcess> {
  await checkWalls()
  const program = confined.test?.program ?? (await findProgram(READER, READER_PACKAGE, ['/usr/bin', '/usr/sbin']))
  const medium = await realpath(confined.medium)
  const bind = (await stat(medium)).isBlockDevice() ? '--dev-bind' : '--ro-bind'
  const args = [
    `--as=${READER_BYTES}:${READER_BYTES}`, `--nofile=${OPEN_FILES}:${OPEN_FILES}`, '--core=0:0', '--fsize=0:0', '--memlock=65536:65536',
    ...(confined.cpuSeconds === undefined ? [] : [`--cpu=${confined.cpuSeconds}:${confined.cpuSeconds}`]), '--',
    'bwrap', '--unshare-all', '--unshare-user', '--cap-drop', 'ALL', '--die-with-parent', '--clearenv', '--hostname', 'reader',
    '--ro-bind', program, '/reader', ...(await librariesOf(program)).flatMap(path => ['--ro-bind', path, path]), bind, medium, '/medium', '--remount-ro', '/', '--chdir', '/', '--seccomp', '3', '--',
    '/reader', ...confined.args,
  ]
  const child = spawn('prlimit', args, {
    env: programEnvironment(),
    stdio: ['ignore', confined.stdout, 'pipe', 'pipe'],
    // A session of its own, so no terminal, and a group that can be killed as a whole: bubblewrap must not make another one.
    detached: true,
  })
  const { signal } = confined
  if (signal !== undefined) {
    const abort = (): void => killGroup(child)
    signal.addEventListener('abort', abort, { once: true })
    child.once('close', () => signal.removeEventListener('abort', abort))
    if (signal.aborted) abort()
  }
  const filter = child.stdio[3] as NodeJS.WritableStream
  filter.on('error', () => undefined)
  filter.end(seccompFilter(process.arch, 'reader'))
  return child
}

const libraries = new Map<string, Promise<string[]>>()

/** The loader and the libraries of a program, at their own paths. */
function librariesOf(program: string): Promise<string[]> {
  const known = libraries.get(program)
  if (known !== undefined) return known
  const found = runProgram('ldd', { args: [program], package: 'libc-bin' }).then(({ stdout }) => [...new Set(stdout.toString('latin1').match(/\/\S+(?= \()/g) ?? [])])
  libraries.set(program, found)
  found.catch(() => libraries.delete(program))
  return found
}
