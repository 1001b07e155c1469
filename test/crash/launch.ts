import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

/**
 * When a process gets its SIGKILL: some milliseconds after it said it is ready, or at its N-th system call of a set. The second is done
 * by strace(1), which needs nothing of the process: it dies on the way into the call, so with N every state of the disk can be met.
 * With `error` that call (and with `always` every one after it) fails instead, as on a disk that is full or breaks.
 */
export type Kill = { after: number; from: 'spawn' | 'ready' } | { call: keyof typeof CALLS; count: number; error?: 'EIO' | 'ENOSPC'; always?: boolean }

/** What moves bytes to where they stay, by what is lost when it does not happen. */
export const CALLS = {
  sync: 'fsync,fdatasync,syncfs',
  name: 'rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,rmdir',
  write: 'pwrite64,ftruncate,fallocate',
} as const

export type Launched = {
  child: ChildProcess
  /** To the process itself; strace, which may stand around it, would let it go and live on. */
  tell(signal: NodeJS.Signals): void
  /** Resolves at the line that says that it is ready; undefined when it ended before. */
  ready: Promise<string | undefined>
  /** Everything it printed, and how it ended. */
  ended: Promise<{ signal: NodeJS.Signals | null; code: number | null; out: string; err: string }>
}

export function launch(program: string, args: readonly string[], options: { ready: RegExp; env: NodeJS.ProcessEnv; kill?: Kill }): Launched {
  const { kill } = options
  const inject = kill !== undefined && 'call' in kill ? `${CALLS[kill.call]}:${kill.error === undefined ? 'signal=KILL' : `error=${kill.error}`}:when=${kill.count}${kill.always === true ? '+' : ''}` : undefined
  // Not with --seccomp-bpf: strace 6.1 then forgets every signal but the first.
  const traced = inject === undefined ? [] : ['strace', '-f', '-qq', '-o', '/dev/null', '-e', `trace=${inject.split(':')[0]}`, '-e', `inject=${inject}`]
  const [first = program, ...rest] = [...traced, program, ...args]
  const child = spawn(first, rest, { stdio: ['ignore', 'pipe', 'pipe'], env: options.env })
  const texts = { out: '', err: '' }
  const told = Promise.withResolvers<string | undefined>()
  const timer = (milliseconds: number): void => {
    const due = setTimeout(() => child.kill('SIGKILL'), milliseconds)
    child.once('exit', () => clearTimeout(due))
  }
  if (kill !== undefined && 'from' in kill && kill.from === 'spawn') timer(kill.after)
  createInterface({ input: child.stdout }).on('line', line => {
    texts.out += `${line}\n`
    if (!options.ready.test(line)) return
    told.resolve(line)
    if (kill !== undefined && 'from' in kill && kill.from === 'ready') timer(kill.after)
  })
  child.stderr.on('data', (chunk: Buffer) => (texts.err = (texts.err + chunk.toString('utf8')).slice(-4000)))
  const ended = once(child, 'close').then(([code, signal]) => {
    told.resolve(undefined)
    return { ...texts, code: code as number | null, signal: signal as NodeJS.Signals | null }
  })
  const tell = (signal: NodeJS.Signals): void => {
    const of = child.pid ?? 0
    if (child.exitCode !== null || child.signalCode !== null) return
    for (const pid of inject === undefined ? [of] : readFileSync(`/proc/${of}/task/${of}/children`, 'utf8').trim().split(' ').map(Number)) process.kill(pid, signal)
  }
  return { child, tell, ready: told.promise, ended }
}
