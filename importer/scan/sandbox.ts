import { lstatSync, readlinkSync } from 'node:fs'
import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { asDrydockError, DrydockError } from '../../appliance/core/error.ts'
import { printable } from '../../appliance/core/printable.ts'
import { runProgram } from '../../appliance/core/run-program.ts'
import { seccompFilter } from '../unpack/seccomp.ts'
import { checkWalls } from '../unpack/walls.ts'
import { MEMORY_MIB, OUTPUT_BYTES, PROCESSES, SCRATCH_MIB, TIMEOUT_SECONDS } from './limits.ts'
import { PURPOSES, type Purpose } from './purpose.ts'
import { withoutRepeats } from './repeats.ts'

export type Sandboxed = {
  /** For people: which scanner it is. */
  name: string
  purpose: Purpose
  command: readonly string[]
  /** A folder of ours: `view/` in it is seen as /scan, read-only. */
  folder: string
  /** Whole paths that are seen under the same path, read-only. */
  reads?: readonly string[]
  /** Single files that are seen under another path, read-only: [path here, path there]. */
  files?: readonly (readonly [string, string])[]
  /** A folder of ours that it may write, seen as /opened; at most `largest` bytes in one file. */
  opened?: { path: string; largest: number }
  input?: string
  timeoutSeconds?: number | undefined
  memoryMiB?: number | undefined
  scratchMiB?: number | undefined
  /** Exit codes that are an answer; anything else is a failure. */
  accept: readonly number[]
  signal?: AbortSignal
  onOutput?: (chunk: Buffer) => void
}

const MIB = 1024 * 1024
/** What a distribution keeps at the root: folders of their own, or links into /usr. */
const ROOTS = ['/bin', '/sbin', '/lib', '/lib64', '/lib32'] as const
/** How the loader finds libraries, and which of several programs a name means. */
const OF_ETC = ['/etc/ld.so.cache', '/etc/alternatives'] as const

/**
 * Runs one program that is not ours over bytes that nobody trusts yet: no network, no sockets, nobody's user id, nothing to write but a
 * small /tmp in memory, nothing to see but /usr and what is given; limits on time, memory, processes and output. When it ends or is
 * stopped, every process that it started is gone with it, because they live in a process namespace of their own.
 * @throws DD-IMPORT-023 for every end that is no answer: an unknown exit code, a signal, too slow, too much output; DD-CORE-008 without bubblewrap
 */
export async function runSandboxed(run: Sandboxed): Promise<{ code: number; stdout: string }> {
  await checkWalls()
  const filterFile = join(run.folder, 'filter')
  await writeFile(filterFile, seccompFilter(process.arch, 'processes'), { mode: 0o600 })
  const filter = await open(filterFile, 'r')
  const timeout = (run.timeoutSeconds ?? TIMEOUT_SECONDS) * PURPOSES[run.purpose].patience * 1000
  const began = performance.now()
  try {
    const [program, ...args] = [...PURPOSES[run.purpose].background, 'prlimit'] as [string, ...string[]]
    const { code, stdout } = await runProgram(program, {
      args: [...args, ...limitsOf(run), '--', 'bwrap', ...wallsOf(run), '--', '/usr/bin/prlimit', `--nproc=${PROCESSES}:${PROCESSES}`, '--', ...run.command],
      env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' }, accept: run.accept, timeout, group: true, maxOutput: OUTPUT_BYTES, sieve: withoutRepeats(), package: 'util-linux bubblewrap', inherit: [filter.fd],
      ...(run.input === undefined ? {} : { input: run.input }), ...(run.signal === undefined ? {} : { signal: run.signal }), ...(run.onOutput === undefined ? {} : { onOutput: run.onOutput }),
    })
    return { code, stdout: stdout.toString('utf8') }
  } catch (failure) {
    const error = asDrydockError(failure)
    // Cancelled, or not installed, is what it says.
    if (error.code === 'DD-CORE-007' || error.code === 'DD-CORE-008') throw error
    throw failed(run.name, performance.now() - began >= timeout ? `none within ${timeout / 1000} seconds` : error.code === 'DD-CORE-010' ? `more than ${OUTPUT_BYTES / MIB} MiB of output` : error.message.replace(/^.*found /, ''), error.hint, run.purpose)
  } finally {
    await filter.close()
  }
}

/** A scan that ended without an answer is never "clean". */
export function failed(name: string, found: string, said: string, purpose: Purpose): DrydockError {
  return new DrydockError('DD-IMPORT-023', `expected an answer of the scanner ${name}, found ${found}`, `${printable(said.replaceAll('\n', ' | ')).slice(0, 600)}; when it is mended: ${PURPOSES[purpose].again}`)
}

function limitsOf({ memoryMiB, scratchMiB, opened }: Sandboxed): string[] {
  const data = (memoryMiB ?? MEMORY_MIB) * MIB
  const largest = Math.max((scratchMiB ?? SCRATCH_MIB) * MIB, opened?.largest ?? 0)
  return ['--core=0:0', '--nofile=1024:1024', `--data=${data}:${data}`, `--fsize=${largest}:${largest}`, '--memlock=65536:65536']
}

function wallsOf(run: Sandboxed): string[] {
  return [
    '--unshare-all', '--unshare-user', '--uid', '65534', '--gid', '65534', '--cap-drop', 'ALL', '--die-with-parent', '--clearenv', '--hostname', 'scan',
    '--ro-bind', '/usr', '/usr', ...ROOTS.flatMap(rootOf), ...OF_ETC.flatMap(path => ['--ro-bind-try', path, path]),
    '--dev', '/dev', '--remount-ro', '/dev', '--size', String((run.scratchMiB ?? SCRATCH_MIB) * MIB), '--tmpfs', '/tmp',
    ...(run.reads ?? []).flatMap(path => ['--ro-bind', path, path]), ...(run.files ?? []).flatMap(([here, there]) => ['--ro-bind', here, there]),
    '--ro-bind', join(run.folder, 'view'), '/scan', ...(run.opened === undefined ? [] : ['--bind', run.opened.path, '/opened']),
    '--remount-ro', '/', '--chdir', '/scan', '--setenv', 'PATH', '/usr/bin:/usr/sbin', '--setenv', 'LC_ALL', 'C.UTF-8', '--setenv', 'HOME', '/tmp', '--seccomp', '3',
  ]
}

function rootOf(path: string): string[] {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return []
  return found.isSymbolicLink() ? ['--symlink', readlinkSync(path), path] : ['--ro-bind', path, path]
}
