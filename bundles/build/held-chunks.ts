import { createHash } from 'node:crypto'
import { open, readdir, stat, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { digestFromHex, hexOf, type Digest } from '../../appliance/core/digest.ts'
import { isErrno } from '../../appliance/core/error.ts'
import { hexAt, offsetsOf, type ChunkMap, type ChunkMaps } from './chunk-map.ts'
import { mapOf } from './cut-blob.ts'
import { isUncompressed } from './uncompressed.ts'

/** What is remembered of blobs that the receiver holds: a million chunks are some 70 GB of blobs, and need 200 MB here. */
const MOST_CHUNKS = 1024 * 1024

/** Chunks of one blob that are kept after they were read and checked: neighbours are asked for next. */
const KNOWN_CHUNKS = 8

/** A place in a blob that the receiver holds. */
export type Place = { blob: number; offset: number }

/** The chunks that the receiver has, in blobs that it holds already. */
export type HeldChunks = {
  digest(blob: number): Digest
  /** Where it has this content; at `expected`, when the content is there. */
  find(hex: string, expected: Place | undefined): Place | undefined
  /** The bytes at a place, when the workspace still has them and they are what the map says; shorter at the end of the blob. */
  read(place: Place, length: number): Promise<Buffer | undefined>
  close(): Promise<void>
}

type Held = { map: ChunkMap; offsets: number[]; path: string; file: FileHandle | null | undefined; known: Map<number, Buffer> }

export async function heldChunks(held: ReadonlySet<string>, blobFolder: string, maps: ChunkMaps, signal?: AbortSignal): Promise<HeldChunks> {
  const blobs: Held[] = []
  const places = new Map<string, Place>()
  for (const digest of (await candidates(held, blobFolder, maps)).toSorted()) {
    if (places.size > MOST_CHUNKS) break
    const path = join(blobFolder, hexOf(digest))
    const map = (await maps.get(digest)) ?? (await mapFromBytes(path, digest, maps, signal))
    if (map === undefined) continue
    const offsets = offsetsOf(map)
    offsets.forEach((offset, chunk) => {
      const hex = hexAt(map, chunk)
      if (!places.has(hex)) places.set(hex, { blob: blobs.length, offset })
    })
    blobs.push({ map, offsets, path, file: undefined, known: new Map() })
  }
  return {
    digest: blob => blobs[blob]!.map.blob,
    find(hex, expected) {
      if (expected !== undefined && isAt(blobs[expected.blob]!, expected.offset, hex)) return expected
      return places.get(hex)
    },
    read: ({ blob, offset }, length) => readHeld(blobs[blob]!, offset, length),
    async close() {
      for (const { file } of blobs) await file?.close()
    },
  }
}

/** Those with a map, and those whose bytes are here and large. */
async function candidates(held: ReadonlySet<string>, blobFolder: string, maps: ChunkMaps): Promise<Digest[]> {
  const mapped = await maps.list()
  const here = (await readdir(blobFolder)).filter(name => /^[0-9a-f]{64}$/.test(name)).map(digestFromHex)
  return [...new Set([...mapped, ...here])].filter(digest => held.has(digest))
}

/** For blobs that travelled before maps were kept, or whose map was lost. */
async function mapFromBytes(path: string, digest: Digest, maps: ChunkMaps, signal: AbortSignal | undefined): Promise<ChunkMap | undefined> {
  const found = await stat(path).catch(() => undefined)
  if (found === undefined || !(await isUncompressed(path, found.size))) return undefined
  const map = await mapOf(path, digest, signal)
  if (map !== undefined) await maps.keep(map)
  return map
}

/** Which chunk an offset lies in. */
function chunkAt(offsets: readonly number[], offset: number): number {
  let [low, high] = [0, offsets.length]
  while (low < high - 1) {
    const middle = (low + high) >> 1
    if (offsets[middle]! <= offset) low = middle
    else high = middle
  }
  return low
}

function isAt({ map, offsets }: Held, offset: number, hex: string): boolean {
  const chunk = chunkAt(offsets, offset)
  return offsets[chunk] === offset && hexAt(map, chunk) === hex
}

async function readHeld(held: Held, offset: number, length: number): Promise<Buffer | undefined> {
  const parts: Buffer[] = []
  const end = offset + length
  for (let chunk = chunkAt(held.offsets, offset); chunk < held.offsets.length && held.offsets[chunk]! < end; chunk++) {
    const bytes = await chunkBytes(held, chunk)
    if (bytes === undefined) return undefined
    const from = held.offsets[chunk]!
    parts.push(bytes.subarray(Math.max(0, offset - from), end - from))
  }
  return Buffer.concat(parts)
}

/** A workspace's blob may have rotted or been thrown away: only bytes that the map knows are believed. */
async function chunkBytes(held: Held, chunk: number): Promise<Buffer | undefined> {
  const before = held.known.get(chunk)
  if (before !== undefined) return before
  held.file ??= await open(held.path, 'r').catch((failure: unknown) => {
    if (isErrno(failure, 'ENOENT')) return null
    throw failure
  })
  if (held.file === null) return undefined
  const bytes = Buffer.alloc(held.map.sizes[chunk]!)
  const { bytesRead } = await held.file.read(bytes, 0, bytes.length, held.offsets[chunk]!)
  if (bytesRead !== bytes.length || createHash('sha256').update(bytes).digest('hex') !== hexAt(held.map, chunk)) return undefined
  if (held.known.size >= KNOWN_CHUNKS) held.known.delete(held.known.keys().next().value!)
  held.known.set(chunk, bytes)
  return bytes
}
