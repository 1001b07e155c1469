import { open, type FileHandle } from 'node:fs/promises'
import { constants, zstdCompressSync } from 'node:zlib'

/** Blobs below this travel whole: a chunk costs an entry, and half of a small blob is small. */
export const CHUNKED_BLOB_BYTES = 4 * 1024 * 1024

/**
 * What begins like this lays files out one after the other as they are: even if those are compressed, the next release of it has most of
 * them again, somewhere else. Offset, bytes, and where that stands.
 */
const CONTAINERS: readonly (readonly [offset: number, magic: Buffer])[] = [
  /** POSIX tar, pax(1): `magic`. */
  [257, Buffer.from('ustar')],
  /** ISO 9660, 8.1: the first volume descriptor, in sector 16. */
  [32_769, Buffer.from('CD001')],
  /** A disk with a boot sector: MBR, and the protective one of GPT (UEFI 5.2). */
  [510, Buffer.from([0x55, 0xaa])],
  /** ext2, ext3, ext4: `s_magic` of the superblock at 1024. */
  [1024 + 56, Buffer.from([0x53, 0xef])],
  /** XFS: `sb_magicnum`. */
  [0, Buffer.from('XFSB')],
  /** cpio, the new ASCII format, with and without checksums. */
  [0, Buffer.from('070701')],
  [0, Buffer.from('070702')],
]
const HEAD_BYTES = 32_769 + 5

/** Everything else is looked into: so many samples, evenly spread, must become this much smaller together. */
const SAMPLES = 16
const SAMPLE_BYTES = 64 * 1024
const MOST_LEFT = 0.9

/** Whether a blob gains from being cut into chunks. The same bytes get the same answer on every machine. */
export async function isUncompressed(path: string, size: number): Promise<boolean> {
  if (size < CHUNKED_BLOB_BYTES) return false
  const file = await open(path, 'r')
  try {
    const head = await readAt(file, 0, HEAD_BYTES)
    return CONTAINERS.some(([offset, magic]) => head.subarray(offset, offset + magic.length).equals(magic)) || (await shrinks(file, size))
  } finally {
    await file.close()
  }
}

async function shrinks(file: FileHandle, size: number): Promise<boolean> {
  let left = 0
  for (let k = 0; k < SAMPLES; k++) {
    const sample = await readAt(file, Math.floor(((size - SAMPLE_BYTES) / (SAMPLES - 1)) * k), SAMPLE_BYTES)
    left += zstdCompressSync(sample, { params: { [constants.ZSTD_c_compressionLevel]: 1 } }).length
  }
  return left <= SAMPLES * SAMPLE_BYTES * MOST_LEFT
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length)
  let filled = 0
  while (filled < length) {
    const { bytesRead } = await file.read(buffer, filled, length - filled, position + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return buffer.subarray(0, filled)
}
