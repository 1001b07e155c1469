import { openDurable } from '../../appliance/core/durable-file.ts'
import { DrydockError } from '../../appliance/core/error.ts'
import type { Digest } from '../../appliance/core/digest.ts'
import { BLOCK_BYTES, headerOf, type Entry } from './header.ts'

/** Writes one volume; the file appears under its name at `finish`, whole and synced, or not at all. */
export type VolumeWriter = {
  /** @throws DD-BUNDLE-004 when the content is not exactly as long as announced. */
  add(entry: Entry, content: Uint8Array | AsyncIterable<Uint8Array>): Promise<void>
  /** An entry whose content comes piece by piece; it must have ended before the next one begins. */
  begin(entry: Entry): Promise<EntryWriter>
  finish(): Promise<{ digest: Digest; size: number }>
  discard(): Promise<void>
}

export type EntryWriter = {
  /** @throws DD-BUNDLE-004 when it is more than was announced */
  write(chunk: Uint8Array): Promise<void>
  /** @throws DD-BUNDLE-004 when it was less than announced */
  end(): Promise<void>
}

/** Two zero blocks and nothing after them: no padding to 10 KiB records, so that there is one way to end. */
export const END_OF_ARCHIVE = Buffer.alloc(2 * BLOCK_BYTES)

export async function writeVolume(path: string): Promise<VolumeWriter> {
  const file = await openDurable(path, { mode: 0o644 })

  async function begin(entry: Entry): Promise<EntryWriter> {
    await file.write(headerOf(entry))
    let written = 0
    return {
      async write(chunk) {
        written += chunk.length
        if (written > entry.size) throw otherSize(entry, 'more')
        await file.write(chunk)
      },
      async end() {
        if (written !== entry.size) throw otherSize(entry, written)
        await file.write(Buffer.alloc(padding(entry.size)))
      },
    }
  }

  return {
    begin,
    async add(entry, content) {
      const open = await begin(entry)
      for await (const chunk of content instanceof Uint8Array ? [content] : content) await open.write(chunk)
      await open.end()
    },
    async finish() {
      await file.write(END_OF_ARCHIVE)
      return await file.commit()
    },
    discard: () => file.discard(),
  }
}

function otherSize(entry: Entry, found: number | string): DrydockError {
  return new DrydockError('DD-BUNDLE-004', `expected ${entry.size} bytes for ${entry.name}, found ${found}`, 'the file changed while it was packed: collect again')
}

/** Zero bytes after a content of this size. */
export function padding(size: number): number {
  return (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES
}
