import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { constants, zstdCompress } from 'node:zlib'
import { digestFromHex, digestOf, hexOf, type Digest } from '../../appliance/core/digest.ts'
import type { BlobPart, Copy } from '../format/item.ts'
import { CHUNKS } from '../format/index-line.ts'
import type { Work } from '../parity/index.ts'
import type { ChunkMap } from './chunk-map.ts'
import { cutBlob } from './cut-blob.ts'
import { MAX_BYTES } from './fastcdc.ts'
import type { HeldChunks, Place } from './held-chunks.ts'
import { samePlaces } from './in-place.ts'
import type { Source } from './pieces.ts'
import type { Spool } from './spool.ts'

/** What a chunk takes at most: zstd adds less than this to what it cannot make smaller. */
export const CHUNK_ROOM = MAX_BYTES + 4096

/**
 * The level of the index. No checksum: the digest of the chunk is one. The size is said in the frame; readers insist on it. Output comes
 * in one buffer: where a frame ends exactly at the end of one, Node 26 calls the library again, which adds an empty second frame.
 */
const ZSTD = { chunkSize: CHUNK_ROOM, params: { [constants.ZSTD_c_compressionLevel]: 9, [constants.ZSTD_c_checksumFlag]: 0 } }
const compress = promisify(zstdCompress)

/** Chunks that are compressed at one time, in Node's threads, while more of the blob is read and cut. */
const AT_ONCE = 8

/** What all blobs of one bundle share: each content travels once. */
export type Chunking = {
  spool: Spool
  held: HeldChunks | undefined
  /** The entry of each content that travels already. */
  entries: Map<string, string>
  add: (name: string, digest: Digest, source: Source) => void
}

/** A part of the list, before the names of its chunks are known. */
type Planned = Copy | { hex: string; size: number }

/**
 * A blob as chunks, and as copies where the receiver has the content. New contents go to the spool, in order.
 * @returns nothing when it is not the blob that it is said to be
 */
export async function chunksOfBlob(path: string, digest: Digest, chunking: Chunking, work?: Work): Promise<{ parts: BlobPart[]; map: ChunkMap } | undefined> {
  const list: Planned[] = []
  const compressing: { hex: string; frame: Promise<Buffer> }[] = []
  let expected: Place | undefined

  const take = async (): Promise<void> => {
    const { hex, frame } = compressing.shift()!
    const bytes = await frame
    const name = digestOf(bytes)
    chunking.entries.set(hex, `${CHUNKS}${hexOf(name)}`)
    chunking.add(`${CHUNKS}${hexOf(name)}`, name, { path: '', handle: chunking.spool.handle, start: await chunking.spool.add(bytes), size: bytes.length })
  }

  const bring = async (bytes: Buffer, hex: string): Promise<void> => {
    list.push({ hex, size: bytes.length })
    if (chunking.entries.has(hex)) return
    chunking.entries.set(hex, '')
    const frame = compress(Buffer.from(bytes), { ...ZSTD, pledgedSrcSize: bytes.length })
    frame.catch(() => undefined)
    compressing.push({ hex, frame })
    if (compressing.length >= AT_ONCE) await take()
  }

  const copy = ({ blob, offset }: Place, size: number): void => {
    const from = chunking.held!.digest(blob)
    const last = list.at(-1)
    if (last !== undefined && 'from' in last && last.from === from && last.offset + last.size === offset) last.size += size
    else list.push({ from, offset, size })
    expected = { blob, offset: offset + size }
  }

  const map = await cutBlob(path, digest, async (bytes, hex) => {
    const place = chunking.held?.find(hex, expected)
    if (place !== undefined) return copy(place, bytes.length)
    // Not there as a whole: perhaps something was written over it, and around that everything is as it was.
    const before = expected === undefined ? undefined : await chunking.held?.read(expected, bytes.length)
    const start = expected
    for (const { same, from, to } of before === undefined ? [{ same: false, from: 0, to: bytes.length }] : samePlaces(before, bytes)) {
      if (same) copy({ blob: start!.blob, offset: start!.offset + from }, to - from)
      else await bring(bytes.subarray(from, to), to - from === bytes.length ? hex : createHash('sha256').update(bytes.subarray(from, to)).digest('hex'))
    }
    if (start !== undefined) expected = { blob: start.blob, offset: start.offset + bytes.length }
  }, work)
  while (compressing.length > 0) await take()
  if (map === undefined) return undefined
  const parts = list.map((part): BlobPart => ('from' in part ? part : { entry: chunking.entries.get(part.hex)!, content: { digest: digestFromHex(part.hex), size: part.size } }))
  return { parts, map }
}
