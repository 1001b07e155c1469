import { ERRORS, type ErrorCode } from './errors/table.ts'

/**
 * The one error a person can meet. `message` says what was expected and what was found, `hint` says what to do.
 * The text of a cause is never repeated in the message: it belongs to the log.
 */
export class DrydockError extends Error {
  readonly code: ErrorCode
  readonly hint: string
  readonly retryable: boolean
  /** Where the mistake is, when it is a field of a document: JSON pointer. */
  readonly at: string | undefined

  constructor(code: ErrorCode, message: string, hint: string, options: { cause?: unknown; at?: string } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'DrydockError'
    this.code = code
    this.hint = hint
    this.retryable = ERRORS[code].retryable
    this.at = options.at
  }

  /** What the API sends and `--json` prints. */
  toJSON(): ErrorBody {
    return { code: this.code, message: this.message, hint: this.hint, retryable: this.retryable, ...(this.at === undefined ? {} : { at: this.at }) }
  }
}

export type ErrorBody = { code: ErrorCode; message: string; hint: string; retryable: boolean; at?: string }

/** What SQLite answers when the kernel told it the same; the low byte of its code (sqlite.org/rescode.html). */
const SQLITE_IOERR = 10
const SQLITE_FULL = 13

/** EIO, and what the block layer says to who writes past the page cache (blk_errors in the kernel's block/blk-core.c). */
const OF_THE_DISK = ['EIO', 'ENODATA', 'ENOLINK', 'EILSEQ']

/** Any failure as an error with a code; what has none becomes DD-CORE-001 with the cause kept for the log. */
export function asDrydockError(failure: unknown): DrydockError {
  if (failure instanceof DrydockError) return failure
  const errno = failure instanceof Error && 'code' in failure ? String(failure.code) : ''
  const sqlite = failure instanceof Error && 'errcode' in failure ? Number(failure.errcode) & 0xff : 0
  if (errno === 'ENOSPC' || errno === 'EDQUOT' || sqlite === SQLITE_FULL) {
    return new DrydockError('DD-CORE-002', 'expected space on the disk, found none left', 'free space on it, or take a larger disk or medium, then run the command again', { cause: failure })
  }
  if (OF_THE_DISK.includes(errno) || sqlite === SQLITE_IOERR) {
    return new DrydockError('DD-CORE-003', 'expected to read or write the disk, found an I/O error', 'look at the disk or medium (dmesg, smartctl); nothing half-written was kept', { cause: failure })
  }
  if (errno === 'EACCES' || errno === 'EPERM') {
    const path = failure instanceof Error && 'path' in failure ? ` to ${String(failure.path)}` : ''
    return new DrydockError('DD-CORE-011', `expected access${path}, found it denied`, 'run it as the user that owns the folder, or let that user enter it and every folder above it', { cause: failure })
  }
  return new DrydockError('DD-CORE-001', 'expected this step to succeed, found an internal fault', 'look at the appliance log around this time, which names the cause, and report it with that', { cause: failure })
}

export function isErrno(failure: unknown, code: string): boolean {
  return failure instanceof Error && 'code' in failure && failure.code === code
}
