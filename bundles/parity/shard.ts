import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { DrydockError } from '../../appliance/core/error.ts'
import { BLOCK_BYTES, padding } from '../archive/index.ts'
import type { PayloadEntry } from '../format/index-line.ts'

/** Bytes [from, to) of a shard. */
export type Range = { from: number; to: number }

/** One shard of a set. What lies beyond its own bytes is zero. */
export type Shard = {
  /** What of it is not to be had, in order, none touching the next. */
  readonly gaps: readonly Range[]
  /** Fills all of `into` with the bytes at `offset`, which no gap touches. Offsets only grow. */
  read(into: Uint8Array, offset: number): Promise<void>
  close(): Promise<void>
}

/** Bytes of a shard that lie together in a file. */
export type Segment = { path: string; position: number; length: number }

/** Where the contents of these entries lie in a volume file; headers and padding belong to no shard. */
export function segmentsOfVolume(path: string, payloadOffset: number, entries: readonly PayloadEntry[]): Segment[] {
  let at = payloadOffset
  return entries.map(({ size }) => {
    const position = at + BLOCK_BYTES
    at = position + size + padding(size)
    return { path, position, length: size }
  })
}

/** Joins ranges that touch, so that a lost volume of 200,000 entries is one gap. */
export function joined(ranges: readonly Range[]): Range[] {
  const gaps: Range[] = []
  for (const { from, to } of ranges) {
    const last = gaps.at(-1)
    if (last?.to === from) last.to = to
    else if (to > from) gaps.push({ from, to })
  }
  return gaps
}

/** A shard that is not here; `size` is that of its payload, because the rest of it is known to be zero. */
export function lostShard(size: number): Shard {
  return { gaps: joined([{ from: 0, to: size }]), read: async into => void into.fill(0), close: async () => undefined }
}

/** A shard that is put together from files. One of them is open at a time. */
export function shardOf(segments: readonly Segment[], gaps: readonly Range[] = []): Shard {
  let file: { path: string; handle: FileHandle } | undefined
  let k = 0
  let start = 0

  async function close(): Promise<void> {
    await file?.handle.close()
    file = undefined
  }

  async function handleOf(path: string): Promise<FileHandle> {
    if (file?.path !== path) {
      await close()
      file = { path, handle: await open(path, constants.O_RDONLY | constants.O_NOFOLLOW) }
    }
    return file.handle
  }

  return {
    gaps,
    close,
    async read(into, offset) {
      let done = 0
      while (done < into.length) {
        while (k < segments.length && offset + done >= start + segments[k]!.length) start += segments[k++]!.length
        const segment = segments[k]
        if (segment === undefined) {
          into.fill(0, done)
          return
        }
        const skip = offset + done - start
        const length = Math.min(into.length - done, segment.length - skip)
        await readAll(await handleOf(segment.path), into.subarray(done, done + length), segment.position + skip, segment.path)
        done += length
      }
    },
  }
}

async function readAll(handle: FileHandle, into: Uint8Array, position: number, path: string): Promise<void> {
  for (let at = 0; at < into.length; ) {
    const { bytesRead } = await handle.read(into, at, into.length - at, position + at)
    if (bytesRead === 0) throw new DrydockError('DD-BUNDLE-005', `expected ${path} to go on, found its end at byte ${position + at}`, 'it was changed while it was read: copy it again')
    at += bytesRead
  }
}

/** A shard whose bytes come one after the other, as a builder has them. */
export function streamedShard(bytes: AsyncIterable<Uint8Array>): Shard {
  const chunks = bytes[Symbol.asyncIterator]()
  let left: Uint8Array = new Uint8Array(0)
  let ended = false
  return {
    gaps: [],
    async read(into) {
      let done = 0
      while (done < into.length && !ended) {
        if (left.length === 0) {
          const next = await chunks.next()
          if (next.done === true) ended = true
          else left = next.value
          continue
        }
        const part = left.subarray(0, into.length - done)
        into.set(part, done)
        left = left.subarray(part.length)
        done += part.length
      }
      into.fill(0, done)
    },
    async close() {
      await chunks.return?.()
    },
  }
}
