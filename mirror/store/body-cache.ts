import type { Digest } from '../../appliance/core/digest.ts'
import type { BlobStore } from './blobs.ts'
import type { Entry } from './format.ts'

/** Bodies up to this many bytes are kept in memory; larger ones always stream from the disk. */
const KEPT_BODY_BYTES = 2 * 1024 * 1024
/** All kept bodies together, bytes. */
const KEPT_TOTAL_BYTES = 64 * 1024 * 1024

export type BodyCache = {
  /** At once, when it is kept. */
  kept(digest: Digest): Buffer | undefined
  /** Reads a small body whole and keeps it; undefined when it is too large for that. */
  load(entry: Entry): Promise<Buffer | undefined>
}

/** The least recently used goes first. Named by digest, so nothing in it can ever be stale. */
export function bodyCache(blobs: BlobStore): BodyCache {
  const bodies = new Map<Digest, Buffer>()
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
      if (size !== undefined && size > KEPT_BODY_BYTES && !entry.ours) return undefined
      const body = entry.ours ? await blobs.read(entry.digest) : await readUnchecked(blobs, entry.digest)
      if (body.length <= KEPT_BODY_BYTES && !bodies.has(entry.digest)) {
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

async function readUnchecked(blobs: BlobStore, digest: Digest): Promise<Buffer> {
  const handle = await blobs.open(digest)
  try {
    return await handle.readFile()
  } finally {
    await handle.close()
  }
}
