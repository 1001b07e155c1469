import type { FileHandle } from 'node:fs/promises'
import { DrydockError, isErrno } from '../../appliance/core/error.ts'
import { BLOCK_BYTES, headerOf, parseHeader, type Entry } from './header.ts'
import { padding } from './writer.ts'

/** Two buffers of this size: while one is used the other is being filled. */
const BUFFER_BYTES = 1024 * 1024

/** Where bytes come from, once and in order. `read` returns 0 at the end; it may return less than asked. */
export type ByteSource = { read(into: Uint8Array): Promise<number> }

/** The same in stretches of whatever length, for a source that has buffers of its own: each is valid until the next is asked for; undefined at the end. */
export type ByteStretches = { next(): Promise<Buffer | undefined> }

/** Reads a file from a position on. A pipe has no positions: leave it out. */
export function fileSource(handle: Pick<FileHandle, 'read'>, from: number | null = 0): ByteSource {
  let position = from
  return {
    async read(into) {
      const at = position
      const { bytesRead } = await handle.read(into, 0, into.length, position).catch((cause: unknown) => {
        throw unreadable(cause, at)
      })
      if (position !== null) position += bytesRead
      return bytesRead
    },
  }
}

/**
 * What the kernel says of bad sectors, of a stick that was pulled out, and of a disc that left its drive. Direct reads pass on what the block
 * layer said (blk_errors in the kernel's block/blk-core.c), where buffered ones make EIO of it.
 */
export const OF_THE_MEDIUM = ['EIO', 'ENODATA', 'ENOLINK', 'EILSEQ', 'ETIMEDOUT', 'ENXIO', 'ENODEV', 'EREMOTEIO', 'ENOMEDIUM', 'EMEDIUMTYPE', 'ESTALE'] as const

/** An I/O error of the medium must not sound like one of the appliance's own disk: at 3 a.m. somebody would change the wrong one. */
export function unreadable(cause: unknown, at: number | null): unknown {
  if (!OF_THE_MEDIUM.some(code => isErrno(cause, code))) return cause
  return new DrydockError('DD-BUNDLE-022', `expected to read the volume, found that it cannot be read ${at === null ? 'on' : `from byte ${at} on`}`, 'the medium is bad or was pulled out: put it in again, try another port or another copy, then go on: `drydock import resume`', { cause })
}

/**
 * A volume, read strictly and once: entry, its chunks, the next entry, … until the end blocks and nothing after them.
 * Nothing is skipped, nothing is extracted, and memory is two buffers.
 */
export type VolumeReader = {
  /** The next entry, or undefined after the end of the archive. The content of the one before must have been read. @throws DD-BUNDLE-003, 005, 006 */
  entry(): Promise<Entry | undefined>
  /** What `entry` will give, which then gives it once more: by its first entry a volume tells which one it is. */
  peek(): Promise<Entry | undefined>
  /** Whether this very entry comes next; then it has begun. Otherwise `entry` says what comes instead. @throws DD-BUNDLE-003, 005, 006 */
  begins(entry: Entry): Promise<boolean>
  /** More of the entry's content, at most `most` bytes, or undefined when all of it was given. The buffer is valid until the next call. @throws DD-BUNDLE-003, 005 */
  chunk(most?: number): Promise<Buffer | undefined>
  /** Where in the volume the next byte stands. */
  position(): number
}

/** @param at where in its volume the source begins, for what errors say */
export function readVolume(source: ByteSource | ByteStretches, at = 0): VolumeReader {
  const bytes = inParts('next' in source ? source : doubleBuffered(source), at)
  const scratch = Buffer.alloc(BLOCK_BYTES)
  let remaining = 0
  let pad = 0
  let ended = false

  async function block(): Promise<Buffer> {
    let have = 0
    while (have < BLOCK_BYTES) {
      const part = await bytes.take(BLOCK_BYTES - have)
      if (part === undefined) throw truncated(bytes.position())
      if (have === 0 && part.length === BLOCK_BYTES) return part
      have += part.copy(scratch, have)
    }
    return scratch
  }

  async function skipPadding(): Promise<void> {
    while (pad > 0) {
      const part = await bytes.take(pad)
      if (part === undefined) throw truncated(bytes.position())
      if (!isZero(part)) throw new DrydockError('DD-BUNDLE-003', `expected zero bytes after a content before byte ${bytes.position()}, found others`, 'this file was not written by `drydock bundle build`; fetch the bundle again')
      pad -= part.length
    }
  }

  /** An entry that is expected is compared, not parsed: a million headers cost what comparing 512 bytes costs. */
  async function next(expected?: Entry): Promise<Entry | undefined> {
    if (ended) return undefined
    if (remaining > 0) throw new DrydockError('DD-CORE-001', `expected the content of an entry to be read to its end, found ${remaining} bytes left`, 'report this: it is a fault in the caller')
    const at = bytes.position()
    const first = await block()
    if (isZero(first)) {
      if (!isZero(await block())) throw new DrydockError('DD-BUNDLE-003', `expected two zero blocks at byte ${at}, found one`, 'this file was not written by `drydock bundle build`; fetch the bundle again')
      if ((await bytes.take(1)) !== undefined) throw new DrydockError('DD-BUNDLE-006', `expected the file to end at byte ${at + 2 * BLOCK_BYTES}, found more after it`, 'this file was changed after it was built; fetch the bundle again')
      ended = true
      return undefined
    }
    const entry = expected !== undefined && headerOf(expected).equals(first) ? expected : parseHeader(first, at)
    remaining = entry.size
    pad = padding(entry.size)
    return entry
  }

  let ahead: { entry: Entry | undefined } | undefined

  return {
    async entry() {
      const { entry } = ahead ?? { entry: await next() }
      ahead = undefined
      return entry
    },
    async peek() {
      ahead ??= { entry: await next() }
      return ahead.entry
    },
    async begins(expected) {
      ahead ??= { entry: await next(expected) }
      const { entry } = ahead
      if (entry?.name !== expected.name || entry.size !== expected.size) return false
      ahead = undefined
      return true
    },
    async chunk(most = Infinity) {
      if (remaining === 0) {
        await skipPadding()
        return undefined
      }
      const part = await bytes.take(Math.min(remaining, most))
      if (part === undefined) throw truncated(bytes.position())
      remaining -= part.length
      return part
    },
    position: bytes.position,
  }
}

const ZERO_BLOCK = Buffer.alloc(BLOCK_BYTES)

function isZero(bytes: Buffer): boolean {
  return bytes.equals(ZERO_BLOCK.subarray(0, bytes.length))
}

function truncated(at: number): DrydockError {
  return new DrydockError('DD-BUNDLE-005', `expected the archive to go on, found its end at byte ${at}`, 'the copy is incomplete: copy the bundle again and wait until the medium is written (sync)')
}

/** At most so many bytes at a time as are asked for, without copying, and how many there were. */
function inParts(stretches: ByteStretches, at: number): { take(most: number): Promise<Buffer | undefined>; position(): number } {
  let using: Buffer = Buffer.alloc(0)
  let offset = 0
  let position = at
  return {
    async take(most) {
      if (offset === using.length) {
        const stretch = await stretches.next()
        if (stretch === undefined) return undefined
        using = stretch
        offset = 0
      }
      const part = using.subarray(offset, Math.min(using.length, offset + most))
      offset += part.length
      position += part.length
      return part
    },
    position: () => position,
  }
}

/** Reads ahead into one buffer while the other is used. */
function doubleBuffered(source: ByteSource): ByteStretches {
  let spare = Buffer.allocUnsafe(BUFFER_BYTES)
  let next = Buffer.allocUnsafe(BUFFER_BYTES)
  let filling: Promise<number> | undefined

  function fill(): Promise<number> {
    const reading = source.read(next)
    // A read that fails while nobody waits for it yet is reported by the one who comes for it.
    reading.catch(() => undefined)
    return reading
  }

  return {
    async next() {
      const length = await (filling ??= fill())
      if (length === 0) return undefined
      const full = next
      next = spare
      spare = full
      filling = fill()
      return full.subarray(0, length)
    },
  }
}
