import { createHash, type Hash } from 'node:crypto'
import { digestOfHash, type Digest } from '../../appliance/core/digest.ts'
import { DrydockError } from '../../appliance/core/error.ts'
import { writeVolume, type Entry, type EntryWriter } from '../archive/index.ts'
import type { PayloadEntry } from '../format/index-line.ts'

/** A volume file that is written from the bytes of its shard. Nothing appears under its name before all of it was compared. */
export type VolumeSink = {
  /** The next bytes of the shard; what lies beyond the payload is not written. @throws DD-BUNDLE-021 */
  write(bytes: Uint8Array): Promise<void>
  /** After the last byte: everything was compared; only the name is still to be given. @throws DD-BUNDLE-021 */
  complete(): Promise<void>
  finish(): Promise<{ digest: Digest; size: number }>
  discard(): Promise<void>
}

/**
 * @param head manifest, signatures and index, as every volume of the set begins
 * @param entries the payload of this volume; each must have its digest when its last byte has come
 */
export async function volumeSink(path: string, head: readonly (Entry & { bytes: Uint8Array })[], entries: readonly PayloadEntry[]): Promise<VolumeSink> {
  const volume = await writeVolume(path)
  let k = 0
  let open: { writer: EntryWriter; hash: Hash; left: number } | undefined

  /** Goes on to the entry that the next byte belongs to; empty ones are written on the way. */
  async function advance(): Promise<void> {
    while (open === undefined || open.left === 0) {
      if (open !== undefined) await endEntry(open)
      const entry = entries[k]
      if (entry === undefined) {
        open = undefined
        return
      }
      open = { writer: await volume.begin(entry), hash: createHash('sha256'), left: entry.size }
      if (entry.size > 0) return
    }
  }

  async function endEntry({ writer, hash }: NonNullable<typeof open>): Promise<void> {
    const entry = entries[k++]!
    const found = digestOfHash(hash)
    if (found !== entry.digest) {
      throw new DrydockError('DD-BUNDLE-021', `expected the rebuilt ${entry.name} to have ${entry.digest}, found ${found}`, 'what it was rebuilt from changed since it was checked, or its parity was made wrong: bring the volume itself, or copy what is left to a good disk and try again')
    }
    await writer.end()
  }

  try {
    for (const { name, size, bytes } of head) await volume.add({ name, size }, bytes)
  } catch (failure) {
    await volume.discard()
    throw failure
  }
  return {
    async write(bytes) {
      for (let at = 0; at < bytes.length; ) {
        await advance()
        if (open === undefined) return
        const part = bytes.subarray(at, at + open.left)
        open.hash.update(part)
        await open.writer.write(part)
        open.left -= part.length
        at += part.length
      }
    },
    async complete() {
      await advance()
      if (open !== undefined) throw new DrydockError('DD-BUNDLE-004', `expected the whole shard for ${path}, found its end in ${entries[k]!.name}`, 'report this: it is a fault in the caller')
    },
    finish: () => volume.finish(),
    discard: () => volume.discard(),
  }
}
