import { GEAR_HEX } from './gear.ts'

/**
 * FastCDC (Xia et al., USENIX ATC 2016; the same cut points as the 2020 paper and as the Rust crate `fastcdc`, module v2020, with level 2)
 * with the sizes that casync uses for images. Another implementation makes the same chunks with: these three sizes, GEAR_HEX,
 * normalization level 2, that is the published masks for 256 KiB before the average and for 16 KiB after it, and no seed.
 */
export const MIN_BYTES = 16 * 1024
export const AVERAGE_BYTES = 64 * 1024
export const MAX_BYTES = 256 * 1024
/** Names these cut points in what is kept of them. */
export const CHUNKER = 'fastcdc-2020/16384/65536/262144/2'

const MASK_BEFORE = 0x0000_d907_0753_7000n
const MASK_AFTER = 0x0000_d903_1353_0000n

/**
 * The hash has 64 bits, but no mask looks above bit 47 and nothing is ever carried down: two halves of 24 bits, which JavaScript adds
 * as small integers, give the same answers eight times faster than a BigInt.
 */
const HALF = 24n
const HALF_MASK = 0xff_ffff
const LOW = Int32Array.from({ length: 256 }, (_, byte) => Number(gear(byte) & BigInt(HALF_MASK)))
const HIGH = Int32Array.from({ length: 256 }, (_, byte) => Number((gear(byte) >> HALF) & BigInt(HALF_MASK)))

function gear(byte: number): bigint {
  return BigInt(`0x${GEAR_HEX.slice(byte * 16, byte * 16 + 16)}`)
}

/** How long the chunk is that begins at `from`. At least MAX_BYTES must lie before `end`, unless the content ends there. */
export function chunkLength(bytes: Uint8Array, from: number, end: number): number {
  const most = Math.min(end - from, MAX_BYTES)
  if (most <= MIN_BYTES) return most
  // Bytes are looked at in pairs, as the reference does: a last odd one is not.
  const centre = from + (Math.min(most, AVERAGE_BYTES) & ~1)
  const last = from + (most & ~1)
  const state = { at: from + MIN_BYTES, low: 0, high: 0 }
  if (scan(bytes, state, centre, MASK_BEFORE) || scan(bytes, state, last, MASK_AFTER)) return state.at - from
  return most
}

/** Rolls the hash to the first byte before `end` at which no bit of the mask is set; the chunk ends before that byte. */
function scan(bytes: Uint8Array, state: { at: number; low: number; high: number }, end: number, mask: bigint): boolean {
  const lowMask = Number(mask & BigInt(HALF_MASK))
  const highMask = Number(mask >> HALF)
  let { at, low, high } = state
  let found = false
  for (; at < end; at++) {
    const byte = bytes[at]!
    low = (low << 1) + LOW[byte]!
    high = ((high << 1) + HIGH[byte]! + (low >>> 24)) & HALF_MASK
    low &= HALF_MASK
    if ((low & lowMask) === 0 && (high & highMask) === 0) {
      found = true
      break
    }
  }
  state.at = at
  state.low = low
  state.high = high
  return found
}

/** What is held at one time: room for many chunks, so that little is moved. */
const BUFFER_BYTES = 16 * MAX_BYTES

/** The chunks of a content, in order, however it is read. Each is valid until the next is asked for. */
export async function* chunksOf(content: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const buffer = Buffer.allocUnsafe(BUFFER_BYTES)
  let start = 0
  let end = 0
  for await (const bytes of content) {
    for (let at = 0; at < bytes.length; ) {
      if (end === BUFFER_BYTES) {
        buffer.copyWithin(0, start, end)
        end -= start
        start = 0
      }
      const part = bytes.subarray(at, at + BUFFER_BYTES - end)
      buffer.set(part, end)
      end += part.length
      at += part.length
      while (end - start >= MAX_BYTES) {
        const length = chunkLength(buffer, start, end)
        yield buffer.subarray(start, start + length)
        start += length
      }
    }
  }
  while (start < end) {
    const length = chunkLength(buffer, start, end)
    yield buffer.subarray(start, start + length)
    start += length
  }
}
