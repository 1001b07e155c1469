import { digestOfFile, type Digest } from '../../appliance/core/digest.ts'
import { rotten, type BlobStore } from './blobs.ts'
import type { Entry } from './format.ts'

/** Bodies up to this many bytes are kept in memory; larger ones always stream from the disk. */
const KEPT_BODY_BYTES = 2 * 1024 * 1024
/** All kept bodies together, bytes. */
const KEPT_TOTAL_BYTES = 64 * 1024 * 1024

export type BodyCache = {
  /** At once, when it is kept. */
  kept(digest: Digest): Buffer | undefined
  /** Reads a small body whole and keeps it; undefined when it is too large for that and is to be streamed. @throws DD-CORE-005 for a rotten index */
  load(entry: Entry): Promise<Buffer | undefined>
}

/** The least recently used goes first. Named by digest, so nothing in it can ever be stale. */
export function bodyCache(blobs: BlobStore): BodyCache {
  const bodies = new Map<Digest, Buffer>()
  /** Large indexes of ours whose bytes were compared with their digest since the start. */
  const checked = new Set<Digest>()
  let total = 0
  return {
    kept(digest) {
      const body = bodies.get(digest)
      if (body === undefined) return undefined
      bodies.delete(digest)
      bodies.set(digest, body)
      return body
    },
    async load(entry) {
      const size = blobs.size(entry.digest)
      if (size !== undefined && size > KEPT_BODY_BYTES) {
        if (entry.ours && !checked.has(entry.digest)) await check(blobs, entry.digest)
        checked.add(entry.digest)
        return undefined
      }
      const body = entry.ours ? await blobs.read(entry.digest) : await readUnchecked(blobs, entry.digest)
      if (!bodies.has(entry.digest)) {
        bodies.set(entry.digest, body)
        total += body.length
        for (const [digest, oldest] of bodies) {
          if (total <= KEPT_TOTAL_BYTES) break
          bodies.delete(digest)
          total -= oldest.length
        }
      }
      return body
    },
  }
}

/** @throws DD-CORE-005 when the bytes on the disk are no longer what the digest says. */
async function check(blobs: BlobStore, digest: Digest): Promise<void> {
  const found = (await digestOfFile(blobs.blobPath(digest))).digest
  if (found !== digest) throw rotten(digest)
}

async function readUnchecked(blobs: BlobStore, digest: Digest): Promise<Buffer> {
  const handle = await blobs.open(digest)
  try {
    return await handle.readFile()
  } finally {
    await handle.close()
  }
}
