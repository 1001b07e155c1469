import { spawn } from 'node:child_process'
import { DrydockError, isErrno } from './error.ts'
import { killGroup } from './kill-group.ts'

/** The most of a program's output that is kept for its error: 64 KiB from the end of each stream. */
export const KEPT_OUTPUT_BYTES = 64 * 1024

export type ProgramRun = {
  args: readonly string[]
  /** The whole environment of the child; nothing is inherited unless it stands here. */
  env?: NodeJS.ProcessEnv
  cwd?: string
  input?: Uint8Array | string
  signal?: AbortSignal
  /** Milliseconds after which the program is killed. */
  timeout?: number
  /** Exit codes that are an answer, not a failure. Default: only 0. */
  accept?: readonly number[]
  /** The most bytes of standard output to keep. More is a failure, never a silent cut. Default 64 MiB. */
  maxOutput?: number
  /** Open files that the program gets as descriptors 3, 4, …; the caller closes them. */
  inherit?: readonly number[]
  /** Takes away, as it comes, what nobody needs of standard output: before it is told, kept and counted. */
  sieve?: { take(chunk: Buffer): Buffer; rest(): Buffer }
  /** Told what it prints, as it comes. */
  onOutput?: (chunk: Buffer) => void
  /** A sandbox: the program leads a session and a group of its own, and all of the group is killed when it is cancelled, too slow or too loud. */
  group?: boolean
  /** Debian package to name when the program is missing. */
  package?: string
}

/**
 * Runs a program to its end and returns what it printed.
 * @throws DD-CORE-008 when it is not installed, DD-CORE-006 when it fails, DD-CORE-007 when cancelled, DD-CORE-010 when it prints too much.
 */
export async function runProgram(program: string, run: ProgramRun): Promise<{ stdout: Buffer; stderr: string; code: number }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ stdout: Buffer; stderr: string; code: number }>()
  const maxOutput = run.maxOutput ?? 64 * 1024 * 1024
  const kill = (): void => void (run.group === true ? killGroup(child) : child.kill('SIGKILL'))
  // Told before the child's own listener, which kills its first process alone.
  if (run.group === true) run.signal?.addEventListener('abort', kill, { once: true })
  const timer = run.group === true && run.timeout !== undefined ? setTimeout(kill, run.timeout) : undefined
  const child = spawn(program, run.args, {
    env: run.env ?? programEnvironment(),
    ...(run.cwd === undefined ? {} : { cwd: run.cwd }),
    ...(run.signal === undefined ? {} : { signal: run.signal }),
    ...(run.timeout === undefined || run.group === true ? {} : { timeout: run.timeout, killSignal: 'SIGKILL' as const }),
    ...(run.group === true ? { detached: true, killSignal: 'SIGKILL' as const } : {}),
    stdio: ['pipe', 'pipe', 'pipe', ...(run.inherit ?? [])],
  })
  const out: Buffer[] = []
  let outBytes = 0
  let overflow = false
  let errorText = ''
  const keep = (chunk: Buffer): void => {
    outBytes += chunk.length
    if (outBytes > maxOutput) {
      overflow = true
      kill()
    } else {
      out.push(chunk)
      run.onOutput?.(chunk)
    }
  }
  child.stdout!.on('data', (chunk: Buffer) => keep(run.sieve?.take(chunk) ?? chunk))
  child.stderr!.on('data', (chunk: Buffer) => {
    errorText = (errorText + chunk.toString('utf8')).slice(-KEPT_OUTPUT_BYTES)
  })
  child.stdin!.on('error', () => undefined)
  child.stdin!.end(run.input)
  child.on('error', failure => {
    if (isErrno(failure, 'ENOENT')) {
      reject(new DrydockError('DD-CORE-008', `expected the program ${program}, found none`, `install it: apt-get install ${run.package ?? program}`, { cause: failure }))
    } else if (failure.name === 'AbortError') {
      reject(new DrydockError('DD-CORE-007', `expected ${program} to finish, found it cancelled`, 'run the command again if it was not meant', { cause: failure }))
    } else reject(failure)
  })
  child.on('close', (code, signal) => {
    clearTimeout(timer)
    run.signal?.removeEventListener('abort', kill)
    if (run.sieve !== undefined) keep(run.sieve.rest())
    const stdout = Buffer.concat(out)
    if (overflow) {
      reject(new DrydockError('DD-CORE-010', `expected at most ${maxOutput} bytes from ${program}, found more`, 'report this: the program printed more than its limit'))
    } else if (code !== null && (run.accept ?? [0]).includes(code)) {
      resolve({ stdout, stderr: errorText, code })
    } else {
      const tail = (errorText || stdout.toString('utf8')).trimEnd().split('\n').slice(-12).join('\n')
      reject(new DrydockError('DD-CORE-006', `expected ${program} to succeed, found ${signal === null ? `exit ${code}` : signal}`, tail === '' ? 'it printed nothing' : `it said: ${tail}`))
    }
  })
  return await promise
}

/** What a child needs of our environment and nothing else: no tokens, no proxies, one locale. */
export function programEnvironment(extra: Record<string, string> = {}): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8', HOME: process.env['HOME'] ?? '/nonexistent', ...extra }
}
