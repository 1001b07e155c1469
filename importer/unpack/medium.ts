import { read } from 'node:fs'
import { isErrno } from '../../appliance/core/error.ts'
import { pages } from '../../appliance/core/pages.ts'
import { unreadable, type ByteSource, type ByteStretches } from '../../bundles/archive/reader.ts'
import { BLOCK_BYTES } from './direct.ts'

/** Descriptor 3 is handed in open; there is no path by which it could be opened again. */
const MEDIUM = 3
const STRETCH_BYTES = 1024 * 1024
/** Reads that are under way while we hash: a device that is read directly has nobody else who reads ahead. */
const AHEAD = 2

/** Where the payload begins on the medium, or null for a pipe, which begins with it. */
export function mediumFrom(offset: number | null): ByteSource | ByteStretches {
  return offset === null ? { read: readPipe } : readingAhead(offset)
}

/** A pipe gives 64 KiB at a time; hashing and writing go by whole buffers. */
async function readPipe(into: Uint8Array): Promise<number> {
  let have = 0
  while (have < into.length) {
    const length = await readMedium(into.subarray(have), null)
    if (length === 0) break
    have += length
  }
  return have
}

type Reading = { buffer: Buffer; at: number; length: Promise<number> }

/** Whole blocks into whole pages, as a direct descriptor wants it; any other takes them too. */
function readingAhead(offset: number): ByteStretches {
  const free = Array.from({ length: AHEAD + 1 }, () => pages(STRETCH_BYTES))
  let under: Reading[] = []
  let position = offset - (offset % BLOCK_BYTES)
  let skip = offset % BLOCK_BYTES
  let used: Buffer | undefined
  let ended = false

  function readAhead(): void {
    for (let buffer = free.pop(); buffer !== undefined; buffer = free.pop()) {
      const length = readMedium(buffer, position)
      // One that fails while nobody waits for it yet is reported by the one who comes for it.
      length.catch(() => undefined)
      under.push({ buffer, at: position, length })
      position += buffer.length
    }
  }

  /** What was asked for behind a read that came back short is asked for again from where that one ended. */
  async function goOnFrom(at: number): Promise<void> {
    await Promise.allSettled(under.map(({ length }) => length))
    free.push(...under.map(({ buffer }) => buffer))
    under = []
    position = at
  }

  return {
    async next() {
      if (used !== undefined) free.push(used)
      used = undefined
      if (ended) return undefined
      readAhead()
      const { buffer, at, length: reading } = under.shift()!
      used = buffer
      const length = await reading.catch((cause: unknown) => {
        // Behind the last block of a file there is nothing that a direct read could begin at.
        if (at % BLOCK_BYTES !== 0 && isErrno(cause, 'EINVAL')) return 0
        throw unreadable(cause, at)
      })
      if (length < buffer.length) await goOnFrom(at + length)
      ended = length === 0
      if (ended) return undefined
      const from = Math.min(skip, length)
      skip -= from
      // Cut short before the payload begins: more comes.
      return from === length ? await this.next() : buffer.subarray(from, length)
    },
  }
}

async function readMedium(into: Uint8Array, position: number | null): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  read(MEDIUM, into, 0, into.length, position, (failure, bytesRead) => (failure === null ? resolve(bytesRead) : reject(failure)))
  return await promise
}
