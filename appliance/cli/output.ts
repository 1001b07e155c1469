import type { Writable } from 'node:stream'
import type { Command } from 'commander'
import { byteText } from '../core/byte-text.ts'
import { asDrydockError, DrydockError } from '../core/error.ts'
import { ERRORS } from '../core/errors/table.ts'
import { printable } from '../core/printable.ts'
import type { Progress } from '../model/operation.ts'

export type Tone = 'plain' | 'good' | 'bad' | 'dim' | 'strong'
/** `words` replaces the default text behind the bar. `bytes` beside a count of items; the bar is then drawn by them. */
export type Bar = Progress & { words?: string; bytes?: number; totalBytes?: number | null; bytesPerSecond?: number | null }

/**
 * Where a verb prints. Each fact is given twice: `line` for people, `record` for programs; only one of them is shown.
 * Everything that reaches a terminal goes through `printable`, so a name cannot move the cursor or pretend to be two lines.
 */
export type Output = {
  readonly json: boolean
  /** A person watches: bars and colour are wanted. */
  readonly terminal: boolean
  /** One line for people; nothing with --json. */
  line(text?: string, tone?: Tone): void
  /** One JSON object on a line with --json; nothing for people. */
  record(record: object): void
  /** A bar on a terminal, a plain line at most every 4 s in a pipe, a record with --json. */
  progress(bar: Bar): void
  /** Takes the bar away. */
  done(): void
  /** A remark beside the result, on standard error; a record with --json. */
  note(text: string): void
}

/** A pipe gets a progress line when the phase changes and otherwise this often, in milliseconds. */
const PIPE_PROGRESS_MS = 4000
const BAR_CELLS = 20
const COLOUR: Record<Tone, string> = { plain: '', good: '32', bad: '31', dim: '2', strong: '1' }

type Stream = Writable & { isTTY?: boolean; columns?: number }
type Surroundings = { json: boolean; stdout: Stream; stderr: Stream; colour: boolean }

export function openOutput({ json, stdout, stderr, colour }: Surroundings): Output {
  const terminal = stderr.isTTY === true && !json
  let bar = ''
  let last = { phase: '', at: 0 }
  const paint = (text: string, tone: Tone, stream: Stream) =>
    colour && stream.isTTY === true && COLOUR[tone] !== '' ? `\u001b[${COLOUR[tone]}m${text}\u001b[0m` : text
  const around = (write: () => void) => {
    if (bar !== '') stderr.write('\r\u001b[K')
    write()
    if (bar !== '') stderr.write(bar)
  }
  return {
    json,
    terminal,
    line(text = '', tone = 'plain') {
      if (!json) around(() => stdout.write(`${paint(printable(text), tone, stdout)}\n`))
    },
    record(record) {
      if (json) stdout.write(`${JSON.stringify(record)}\n`)
    },
    progress(next) {
      if (json) {
        stdout.write(`${JSON.stringify({ type: 'progress', ...next })}\n`)
      } else if (terminal) {
        bar = printable(barText(next, true)).slice(0, (stderr.columns ?? 120) - 1)
        stderr.write(`\r\u001b[K${bar}`)
      } else if (next.phase !== last.phase || Date.now() - last.at >= PIPE_PROGRESS_MS) {
        last = { phase: next.phase, at: Date.now() }
        stderr.write(`${printable(barText(next, false))}\n`)
      }
    },
    done() {
      if (bar !== '') stderr.write('\r\u001b[K')
      bar = ''
    },
    note(text) {
      if (json) stdout.write(`${JSON.stringify({ type: 'note', text })}\n`)
      else around(() => stderr.write(`${paint(printable(text), 'dim', stderr)}\n`))
    },
  }
}

/** The output of a verb, by the `--json` before or behind it. Every action begins with this. */
export function outputOf(command: Command): Output {
  return processOutput(command.optsWithGlobals<{ json?: boolean }>().json === true)
}

export function processOutput(json: boolean): Output {
  const colour = (process.env['NO_COLOR'] ?? '') === '' && process.env['TERM'] !== 'dumb'
  return openOutput({ json, stdout: process.stdout, stderr: process.stderr, colour })
}

/**
 * Any failure as a person sees it, on standard error, and the exit code for the shell:
 *     refused: expected …, found …
 *     do: …      DD-TRUST-012
 * The text of a cause is not shown; DRYDOCK_DEBUG=1 adds it for those who work on Drydock.
 */
export function printFailure(failure: unknown, json: boolean, stderr: Writable = process.stderr): number {
  const error = notOpened(failure) ?? asDrydockError(failure)
  const { exit } = ERRORS[error.code]
  if (json) stderr.write(`${JSON.stringify({ type: 'error', ...error.toJSON(), exit })}\n`)
  else {
    const [first = '', ...more] = error.hint.split('\n')
    stderr.write(`${FAILED_AS[exit]}: ${printable(error.message)}\ndo: ${printable(first)}      ${error.code}\n`)
    for (const line of more) stderr.write(`    ${printable(line)}\n`)
  }
  if ((process.env['DRYDOCK_DEBUG'] ?? '') !== '' && error.cause instanceof Error) stderr.write(`cause: ${error.cause.stack}\n`)
  return exit
}

const UNOPENED: Partial<Record<string, string>> = {
  ENOENT: 'no such file or folder', EACCES: 'that you may not', EPERM: 'that you may not', ENOTDIR: 'a file where a folder must be', EISDIR: 'a folder', EROFS: 'a read-only disk', ELOOP: 'a loop of links',
}

/** What the durable writer would have renamed: people know the folder only. */
const TEMPORARY = /\/\.[0-9a-f]{24}\.tmp$/

/** What a command names, or needs, and cannot be opened: most verbs work on files that people name. */
function notOpened(failure: unknown): DrydockError | undefined {
  if (failure instanceof DrydockError || !(failure instanceof Error) || !('code' in failure) || !('path' in failure)) return undefined
  const found = UNOPENED[String(failure.code)]
  return found === undefined ? undefined : new DrydockError('DD-CLI-015', `expected to open ${String(failure.path).replace(TEMPORARY, '')}, found ${found}`, 'correct the path, or the rights on it, and run the command again', { cause: failure })
}

const FAILED_AS = { 0: 'failed', 1: 'failed', 2: 'refused', 3: 'refused', 4: 'waiting', 5: 'failed' } as const

/** `[██████░░░░] 63/90 nodes · boot · ETA 2 min 10 s` */
function barText(bar: Bar, drawn: boolean): string {
  const [done, total] = bar.bytes !== undefined && typeof bar.totalBytes === 'number' && bar.totalBytes > 0 ? [bar.bytes, bar.totalBytes] : [bar.done, bar.total]
  const share = total > 0 ? Math.min(1, done / total) : 0
  const cells = Math.round(share * BAR_CELLS)
  const picture = drawn ? `[${'█'.repeat(cells)}${'░'.repeat(BAR_CELLS - cells)}] ` : ''
  if (bar.words !== undefined) return picture + bar.words
  const amount = bar.unit === 'bytes' ? `${byteText(bar.done)} of ${byteText(bar.total)}` : `${bar.done}/${bar.total} ${bar.unit}`
  return `${picture}${drawn ? '' : `${bar.phase} `}${amount}${drawn ? ` · ${bar.phase}` : ''}${bar.etaSeconds === null ? '' : ` · ETA ${durationText(bar.etaSeconds)}`}`
}

export { byteText } from '../core/byte-text.ts'

/** `40 s`, `2 min 10 s`, `3 h 5 min` */
export function durationText(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return whole % 60 === 0 ? `${whole / 60} min` : `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
}
