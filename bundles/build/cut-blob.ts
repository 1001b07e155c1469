import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { digestOfHash, type Digest } from '../../appliance/core/digest.ts'
import type { Work } from '../parity/index.ts'
import type { ChunkMap } from './chunk-map.ts'
import { CHUNKER, chunksOf } from './fastcdc.ts'
import { READ_BYTES } from './pieces.ts'

/**
 * Cuts a blob and tells each chunk; its bytes are valid until the promise is kept. Reads the blob once.
 * @returns its map, or nothing when it is not the blob that it is said to be
 */
export async function cutBlob(path: string, digest: Digest, take: (bytes: Buffer, hex: string) => Promise<void>, { signal, progress }: Work = {}): Promise<ChunkMap | undefined> {
  const whole = createHash('sha256')
  const sizes: number[] = []
  const contents: string[] = []
  for await (const bytes of chunksOf(createReadStream(path, { highWaterMark: READ_BYTES }) as AsyncIterable<Buffer>)) {
    signal?.throwIfAborted()
    whole.update(bytes)
    const hex = createHash('sha256').update(bytes).digest('hex')
    sizes.push(bytes.length)
    contents.push(hex)
    await take(bytes, hex)
    progress?.(bytes.length)
  }
  if (digestOfHash(whole) !== digest) return undefined
  return { format: 'drydock-chunk-map/1', chunker: CHUNKER, blob: digest, sizes, contents: contents.join('') }
}

/** The map alone. */
export function mapOf(path: string, digest: Digest, signal?: AbortSignal): Promise<ChunkMap | undefined> {
  return cutBlob(path, digest, async () => undefined, { signal })
}
