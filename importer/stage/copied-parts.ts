import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { digestOfFile, type Digest } from '../../appliance/core/digest.ts'
import { DrydockError } from '../../appliance/core/error.ts'
import { disagrees } from '../../bundles/format/disagrees.ts'
import type { BlobStore } from '../../mirror/store/blobs.ts'
import type { Copying } from '../unpack/index.ts'

const COPY_BYTES = 1024 * 1024

/** What of a blob no volume brings, and where it comes from; `item` has the blob. */
export type CopiedParts = { item: string; copies: readonly Copying[]; store: Pick<BlobStore, 'open' | 'blobPath'>; signal?: AbortSignal }

/**
 * Copies into a blob that is being joined what the store has of it. Only this process reads the store; the confined one wrote the file,
 * so it must be a plain file with no second name. On the disk when this returns.
 * @throws DD-BUNDLE-012 when a copied blob is shorter than the index says
 */
export async function copyParts(path: string, { item, copies, store, signal }: CopiedParts): Promise<void> {
  const into = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK, 0o600)
  const sources = new Map<Digest, FileHandle>()
  const buffer = Buffer.allocUnsafe(COPY_BYTES)
  try {
    const found = await into.stat()
    if (!found.isFile() || found.nlink !== 1) throw new DrydockError('DD-IMPORT-011', `expected a file of our own for the parts of ${item}, found something else`, 'the confined process was taken over: reject this import and keep its medium for whoever looks into it')
    for (const { from, offset, size, to } of copies) {
      const source = sources.get(from) ?? (await store.open(from))
      sources.set(from, source)
      for (let done = 0; done < size; ) {
        signal?.throwIfAborted()
        const { bytesRead } = await source.read(buffer, 0, Math.min(COPY_BYTES, size - done), offset + done)
        if (bytesRead === 0) throw disagrees(`${from}, of which ${item} has ${size} bytes from ${offset} on, to be that long`, `its end at ${offset + done}`)
        await writeAt(into, buffer.subarray(0, bytesRead), to + done)
        done += bytesRead
      }
    }
    await into.datasync()
  } finally {
    await into.close()
    for (const source of sources.values()) await source.close()
  }
}

async function writeAt(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at, bytes.length - at, position + at)).bytesWritten
}

/** Why all parts together are another blob: something here has rotted, or the bundle was built wrong. */
export async function whyOther(digest: Digest, found: string, { item, copies, store }: CopiedParts): Promise<DrydockError> {
  for (const from of new Set(copies.map(copy => copy.from))) {
    const held = (await digestOfFile(store.blobPath(from))).digest
    if (held !== from) {
      return new DrydockError('DD-IMPORT-030', `expected the bytes of ${from} in the blob store, of which ${item} is to be made, found ${held}`, 'the disk or somebody changed it: have the sender build without --since and --since-bundle, which copies nothing, and check this disk')
    }
  }
  return new DrydockError('DD-BUNDLE-012', `expected the parts of ${digest} of ${item} to make it, found ${found}`, 'each part is the one that was signed, but together they are another blob: the bundle was built wrong, build it again')
}
