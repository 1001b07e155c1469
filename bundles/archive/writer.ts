import { openDurable } from '../../appliance/core/durable-file.ts'
import { DrydockError } from '../../appliance/core/error.ts'
import type { Digest } from '../../appliance/core/digest.ts'
import { BLOCK_BYTES, headerOf, type Entry } from './header.ts'

/** Writes one volume; the file appears under its name at `finish`, whole and synced, or not at all. */
export type VolumeWriter = {
  /** @throws DD-BUNDLE-004 when the content is not exactly as long as announced. */
  add(entry: Entry, content: Uint8Array | AsyncIterable<Uint8Array>): Promise<void>
  finish(): Promise<{ digest: Digest; size: number }>
  discard(): Promise<void>
}

/** Two zero blocks and nothing after them: no padding to 10 KiB records, so that there is one way to end. */
export const END_OF_ARCHIVE = Buffer.alloc(2 * BLOCK_BYTES)

export async function writeVolume(path: string): Promise<VolumeWriter> {
  const file = await openDurable(path, { mode: 0o644 })
  return {
    async add(entry, content) {
      await file.write(headerOf(entry))
      let written = 0
      for await (const chunk of content instanceof Uint8Array ? [content] : content) {
        written += chunk.length
        if (written > entry.size) break
        await file.write(chunk)
      }
      if (written !== entry.size) {
        throw new DrydockError('DD-BUNDLE-004', `expected ${entry.size} bytes for ${entry.name}, found ${written > entry.size ? 'more' : written}`, 'the file changed while it was packed: collect again')
      }
      await file.write(Buffer.alloc(padding(entry.size)))
    },
    async finish() {
      await file.write(END_OF_ARCHIVE)
      return await file.commit()
    },
    discard: () => file.discard(),
  }
}

/** Zero bytes after a content of this size. */
export function padding(size: number): number {
  return (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES
}
