import { dirname } from 'node:path'
import { digestOf, hexOf, type Digest } from '../../appliance/core/digest.ts'
import { canonicalJson } from '../format/canonical-json.ts'
import type { CollectionLock } from '../format/collection-lock.ts'
import type { Index } from '../format/index-file.ts'
import { BLOBS } from '../format/index-line.ts'
import { itemKey, type BlobPart, type ItemBlob } from '../format/item.ts'
import type { Work } from '../parity/index.ts'
import type { ChunkMaps } from './chunk-map.ts'
import { CHUNK_ROOM, chunksOfBlob, type Chunking } from './chunks.ts'
import { heldChunks } from './held-chunks.ts'
import { otherBytes, piecesOf, workspaceBlob, type Source } from './pieces.ts'
import { pieceBytes } from './split.ts'
import { openSpool } from './spool.ts'
import { CHUNKED_BLOB_BYTES, isUncompressed } from './uncompressed.ts'

export type PayloadInput = {
  lock: CollectionLock
  /** WORKSPACE/blobs: every blob by its 64 hex digits. */
  blobFolder: string
  volumeBytes?: number
  /** Blobs that the receiver holds, and items (by the digest of their canonical JSON) that it has as they are. */
  since?: { inventory: ReadonlySet<string>; items?: ReadonlySet<string> }
  /** What is remembered of blobs that were cut into chunks; without it nothing is, and deltas are made from bytes that are still here. */
  maps?: ChunkMaps
  signal?: AbortSignal
  /** Of the blobs that are large enough to be cut. */
  progress?: (done: number, total: number) => void
}

/** What a bundle is to hold, how many items stay out because the receiver has them, and where the bytes of its entries come from. All are of volume 1 until they are split. */
export type Payload = { index: Index; sources: Map<string, Source>; omits: number; close(): Promise<void> }

const NO_MAPS: ChunkMaps = { get: async () => undefined, keep: async () => undefined, list: async () => [] }

/**
 * Entries in the order in which the sorted items need them, each content once: whole blobs, large ones in pieces, large uncompressed
 * ones in chunks. What the receiver has stays out, and what of a new blob it has in an old one is told to be copied there.
 * @throws DD-BUNDLE-013 when the workspace does not hold what the lock names
 */
export async function payloadOf(input: PayloadInput): Promise<Payload> {
  const held = input.since?.inventory ?? new Set()
  const most = pieceBytes(input.volumeBytes)
  const entries: Index['entries'] = []
  const sources = new Map<string, Source>()
  const parted = new Map<string, BlobPart[]>()
  const items: Index['items'] = []
  const add = (name: string, digest: Digest, source: Source): void => {
    if (sources.has(name)) return
    sources.set(name, source)
    entries.push({ name, size: source.size, digest, volume: 1 })
  }
  const cut = cutting(input, held, most)
  let chunking: Chunking | undefined
  const startChunking = async (): Promise<Chunking> => ({
    spool: await openSpool(dirname(input.blobFolder)),
    held: input.since === undefined ? undefined : await heldChunks(held, input.blobFolder, input.maps ?? NO_MAPS, input.signal),
    entries: new Map(), add,
  })
  const close = async (): Promise<void> => {
    await chunking?.held?.close()
    await chunking?.spool.handle.close()
  }

  /** The parts of a blob that does not travel whole. */
  async function partsOf(path: string, { digest, size }: ItemBlob): Promise<BlobPart[] | undefined> {
    // Where a piece of that size fits, every chunk does.
    if (most >= CHUNK_ROOM && (await isUncompressed(path, size))) {
      const chunks = await chunksOfBlob(path, digest, (chunking ??= await startChunking()), cut)
      if (chunks === undefined) throw otherBytes(digest, 'others')
      await input.maps?.keep(chunks.map)
      return chunks.parts
    }
    if (size <= most) {
      if (size >= CHUNKED_BLOB_BYTES) cut.progress(size)
      return undefined
    }
    const pieces = await piecesOf(path, digest, most, cut)
    pieces.forEach((piece, k) => add(piece.entry, piece.digest, { path, start: k * most, size: piece.size }))
    return pieces
  }

  try {
    let omits = 0
    for (const item of input.lock.items.toSorted((a, b) => (itemKey(a) < itemKey(b) ? -1 : 1))) {
      if (input.since?.items?.has(digestOf(canonicalJson(item))) === true) {
        omits++
        continue
      }
      const blobs: ItemBlob[] = []
      for (const blob of item.blobs) {
        const name = `${BLOBS}${hexOf(blob.digest)}`
        if (!held.has(blob.digest) && !sources.has(name) && !parted.has(blob.digest)) {
          const path = await workspaceBlob(input.blobFolder, blob.digest, blob.size)
          const parts = await partsOf(path, blob)
          if (parts === undefined) add(name, blob.digest, { path, start: 0, size: blob.size })
          else parted.set(blob.digest, parts)
        }
        const parts = parted.get(blob.digest)
        blobs.push(parts === undefined ? blob : { ...blob, parts })
      }
      items.push({ ...item, blobs })
    }
    return { index: { entries, items }, sources, omits, close }
  } catch (failure) {
    await close()
    throw failure
  }
}

/** Counts what is read of the blobs that may have to be cut, each once. */
function cutting({ lock, signal, progress }: PayloadInput, held: ReadonlySet<string>, most: number): Work & { progress: (bytes: number) => void } {
  const large = new Map(lock.items.flatMap(({ blobs }) => blobs).flatMap(({ digest, size }) => ((size >= CHUNKED_BLOB_BYTES || size > most) && !held.has(digest) ? [[digest, size]] : [])))
  const total = large.values().reduce((sum, size) => sum + size, 0)
  let done = 0
  return { signal, progress: bytes => progress?.((done = Math.min(done + bytes, total)), total) }
}
