import { closeSync, constants, openSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { byteText } from '../../appliance/core/byte-text.ts'
import { DrydockError } from '../../appliance/core/error.ts'
import { runProgram } from '../../appliance/core/run-program.ts'
import { killGroup } from '../../appliance/core/kill-group.ts'
import type { MediaFile, Payload } from '../unpack/index.ts'
import { LOOK_MS, PRINT_BYTES } from './limits.ts'
import { endOf, pathOn, type Ended } from './reader.ts'
import { startReader } from './reader-sandbox.ts'

/** A file on a medium: where the reader finds it, and what people call it. */
export type FileOnMedium = { medium: string; at: string; path: string; size: number; called: string }

/** How long a reader that is no longer wanted may take to end. */
const END_MS = 5_000
const NOTHING_THERE = /^cannot open .* not found/

/** The digest of the first bytes of a file: with its size and its medium it says whether a file is the one that was there before. undefined for a name behind which there is nothing. @throws DD-MEDIA-001 */
export async function printOf(file: FileOnMedium, signal?: AbortSignal): Promise<string | undefined> {
  const late = AbortSignal.timeout(LOOK_MS)
  const child = await startReader({ medium: file.medium, args: ['-n', String(PRINT_BYTES), '/medium', 'cat', pathOn(file.at, file.path)], stdout: 'pipe', signal: signal === undefined ? late : AbortSignal.any([late, signal]) })
  const ended = endOf(child)
  const hash = createHash('sha256')
  for await (const chunk of child.stdout!) hash.update(chunk as Buffer)
  const end = await ended
  if (end.code !== 0 && NOTHING_THERE.test(end.said)) return undefined
  if (end.code !== 0) throw pulled(file, end)
  return hash.digest('hex').slice(0, 16)
}

/**
 * A file as the importer reads it: one reader for the head, and one that begins at the payload and writes into a pipe whose other end the
 * confined process gets. No byte of the payload passes through this process, and none is read twice.
 */
export async function openOnMedium(file: FileOnMedium): Promise<MediaFile> {
  const head = await startReader({ medium: file.medium, args: ['/medium', 'cat', pathOn(file.at, file.path)], stdout: 'pipe' })
  const headEnded = endOf(head)
  const bytes = head.stdout!.iterator() as AsyncIterator<Buffer, undefined>
  let rest: Buffer = Buffer.alloc(0)
  const opened: Payload[] = []
  return {
    size: file.size,
    head: {
      async read(into) {
        if (rest.length === 0) {
          const next = await bytes.next()
          if (next.done === true) {
            const end = await headEnded
            if (end.code !== 0) throw pulled(file, end)
            return 0
          }
          rest = next.value
        }
        const length = Math.min(rest.length, into.length)
        into.set(rest.subarray(0, length))
        rest = rest.subarray(length)
        return length
      },
    },
    async payload(offset) {
      await stopped(head, headEnded)
      const payload = await payloadOf(file, offset)
      opened.push(payload)
      return payload
    },
    async close() {
      await stopped(head, headEnded)
      for (const payload of opened) await payload.close()
    },
  }
}

async function payloadOf(file: FileOnMedium, offset: number): Promise<Payload> {
  const pipe = await newPipe()
  let child: ChildProcess
  try {
    child = await startReader({ medium: file.medium, args: ['-s', String(offset), '/medium', 'cat', pathOn(file.at, file.path)], stdout: pipe.write })
  } catch (failure) {
    closeSync(pipe.read)
    throw failure
  } finally {
    closeSync(pipe.write)
  }
  const ended = endOf(child)
  let open = true
  const closeRead = (): void => {
    if (open) closeSync(pipe.read)
    open = false
  }
  return {
    fd: pipe.read,
    offset: null,
    readers: 1,
    async fault() {
      closeRead()
      const end = await Promise.race([ended, stopped(child, ended, END_MS)])
      return end.code === 0 || !isOfMedium(end) ? undefined : pulled(file, end)
    },
    async close() {
      closeRead()
      await stopped(child, ended)
    },
  }
}

/** A reader that nobody reads from any more ends by its broken pipe; that is no fault of the medium. */
function isOfMedium({ code, said }: Ended): boolean {
  return said !== '' && !/cannot write/.test(said) && code < 128
}

async function stopped(child: ChildProcess, ended: Promise<Ended>, after = 0): Promise<Ended> {
  // What was not read would keep it from being told as ended.
  child.stdout?.destroy()
  const timer = setTimeout(() => killGroup(child), after)
  try {
    return await ended
  } finally {
    clearTimeout(timer)
  }
}

/** Node makes no pipes; a named one that nobody else can open, and whose name is gone before it is used, is the same. */
async function newPipe(): Promise<{ read: number; write: number }> {
  const folder = await mkdtemp(join(tmpdir(), 'drydock-pipe-'))
  try {
    const path = join(folder, 'pipe')
    await runProgram('mkfifo', { args: ['-m', '600', path], package: 'coreutils' })
    // Opened both ways first, so that neither end waits for the other.
    const both = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
    try {
      const read = openSync(path, constants.O_RDONLY)
      return { read, write: openSync(path, constants.O_WRONLY) }
    } finally {
      closeSync(both)
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** @param end what the reader said: it names the byte at which it stopped */
export function pulled(file: Pick<FileOnMedium, 'called' | 'path' | 'size'>, end: Ended): DrydockError {
  const at = /^read error at offset (\d{1,18})/.exec(end.said)?.[1]
  return new DrydockError(
    'DD-MEDIA-001', `expected to read ${file.path} on ${file.called} to its end, found the medium gone or failing${at === undefined ? '' : ` after ${byteText(Number(at))} of ${byteText(file.size)}`}`,
    `plug it in again: the import goes on by itself. If it stops there again, the medium is bad: make another copy${end.said === '' ? '' : ` (the reader said: ${end.said})`}`,
  )
}
