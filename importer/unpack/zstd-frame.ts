import { constants, zstdDecompressSync } from 'node:zlib'
import { DrydockError } from '../../appliance/core/error.ts'

/** RFC 8878, 3.1.1: what a frame begins with, little-endian. */
const MAGIC = 0xfd2fb528
/** Bits of the frame header descriptor (3.1.1.1.1). */
const SINGLE_SEGMENT = 0x20
const UNUSED_RESERVED_CHECKSUM_DICTIONARY = 0x1f
/** Bytes of Frame_Content_Size by its flag, the two upper bits (3.1.1.1.4). */
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const
const BLOCK_HEADER_BYTES = 3
const RLE_BLOCK = 1
const RESERVED_BLOCK = 3
/** 4 MiB: the largest window that a chunk's decompression may ask memory for. */
const WINDOW_LOG = 22
/** So that the output never fills its buffer, and is one buffer. Node wants at least 64. */
const SPARE_BYTES = 64

/**
 * What a chunk unfolds to. The bytes are those that were signed, but whoever signed them may have been deceived; so before the library
 * sees them, they must be exactly one frame from the first to the last byte, of the signed content size, without dictionary, checksum
 * or reserved bits. That leaves no room for skippable frames, further frames, or bytes after the end.
 * @throws DD-BUNDLE-030
 */
export function unfold(name: string, frame: Buffer, size: number): Buffer {
  const blocks = headerBytes(name, frame, size)
  if (endOfBlocks(name, frame, blocks) !== frame.length) throw notOneFrame(name, 'one zstd frame', 'more after its end')
  let content: Buffer
  try {
    content = zstdDecompressSync(frame, { maxOutputLength: size, chunkSize: size + SPARE_BYTES, params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG } })
  } catch (cause) {
    throw notOneFrame(name, `a zstd frame of ${size} bytes`, 'one that does not unfold to that', cause)
  }
  if (content.length !== size) throw notOneFrame(name, `a zstd frame of ${size} bytes`, `${content.length}`)
  return content
}

/** Length of the frame header, once it says nothing but the signed size. */
function headerBytes(name: string, frame: Buffer, size: number): number {
  if (frame.length < 6 || frame.readUInt32LE(0) !== MAGIC) throw notOneFrame(name, 'a zstd frame', 'something else')
  const descriptor = frame[4]!
  if ((descriptor & UNUSED_RESERVED_CHECKSUM_DICTIONARY) !== 0) throw notOneFrame(name, 'a zstd frame without dictionary and checksum', `descriptor 0x${descriptor.toString(16)}`)
  const single = (descriptor & SINGLE_SEGMENT) !== 0
  // The library looks at the window only when it needs one (3.1.1.1.2); here nobody may ask for more than any chunk has.
  if (!single && 10 + (frame[5]! >> 3) > WINDOW_LOG) throw notOneFrame(name, `a zstd frame with a window of at most 2^${WINDOW_LOG} bytes`, `2^${10 + (frame[5]! >> 3)}`)
  const flag = descriptor >> 6
  const sizeBytes = flag === 0 && single ? 1 : CONTENT_SIZE_BYTES[flag]!
  const at = single ? 5 : 6
  if (sizeBytes === 0 || frame.length < at + sizeBytes) throw notOneFrame(name, `a zstd frame that says its size, ${size}`, 'one that does not')
  // A size of two bytes counts from 256 on.
  const said = sizeBytes === 8 ? Number(frame.readBigUInt64LE(at)) : frame.readUIntLE(at, sizeBytes) + (sizeBytes === 2 ? 256 : 0)
  if (said !== size) throw notOneFrame(name, `a zstd frame of ${size} bytes`, `one of ${said}`)
  return at + sizeBytes
}

/** Where the last block ends. */
function endOfBlocks(name: string, frame: Buffer, from: number): number {
  for (let at = from; ; ) {
    if (at + BLOCK_HEADER_BYTES > frame.length) throw notOneFrame(name, 'a whole zstd frame', 'one that is cut off')
    const header = frame.readUIntLE(at, BLOCK_HEADER_BYTES)
    const type = (header >> 1) & 3
    if (type === RESERVED_BLOCK) throw notOneFrame(name, 'blocks of known types', 'a reserved one')
    at += BLOCK_HEADER_BYTES + (type === RLE_BLOCK ? 1 : header >> 3)
    if ((header & 1) === 1) return at
  }
}

function notOneFrame(name: string, expected: string, found: string, cause?: unknown): DrydockError {
  return new DrydockError('DD-BUNDLE-030', `expected ${name} to be ${expected}, found ${found}`, 'the bundle was built wrong, though it is signed: build it again, and find out who changed the builder', cause === undefined ? {} : { cause })
}
