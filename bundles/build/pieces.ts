import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOfHash, hexOf, type Digest } from '../../appliance/core/digest.ts'
import { DrydockError } from '../../appliance/core/error.ts'
import type { Piece } from '../format/item.ts'
import { PIECES } from '../format/index-line.ts'
import type { Work } from '../parity/index.ts'

export const READ_BYTES = 1 << 20

/** Where the bytes of a payload entry come from: a blob of the workspace, a range of one, or of an open file that has no path any more. */
export type Source = { path: string; handle?: FileHandle; start: number; size: number }

/** @throws DD-BUNDLE-013 when the workspace does not hold a blob of this size */
export async function workspaceBlob(folder: string, digest: Digest, size: number): Promise<string> {
  const path = join(folder, hexOf(digest))
  const found = await stat(path).catch(() => undefined)
  if (found?.size === size) return path
  throw new DrydockError('DD-BUNDLE-013', `expected ${size} bytes for blob ${digest} in the workspace, found ${found === undefined ? 'no such file' : found.size}`, 'run `drydock bundle collect` again: it fetches what is missing')
}

/** The blob as pieces of a fixed size, the last one with the rest. Reads it once. @throws DD-BUNDLE-013 when it is not the blob that the lock names */
export async function piecesOf(path: string, digest: string, pieceBytes: number, { signal, progress }: Work = {}): Promise<Piece[]> {
  const parts: Piece[] = []
  const whole = createHash('sha256')
  let piece = createHash('sha256')
  let size = 0
  const close = (): void => {
    const name = digestOfHash(piece)
    parts.push({ entry: `${PIECES}${hexOf(name)}`, digest: name, size })
    piece = createHash('sha256')
    size = 0
  }
  for await (const chunk of createReadStream(path, { highWaterMark: READ_BYTES }) as AsyncIterable<Buffer>) {
    signal?.throwIfAborted()
    whole.update(chunk)
    progress?.(chunk.length)
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + pieceBytes - size)
      piece.update(part)
      size += part.length
      at += part.length
      if (size === pieceBytes) close()
    }
  }
  if (size > 0) close()
  const found = digestOfHash(whole)
  if (found !== digest) throw otherBytes(digest, found)
  return parts
}

/** The bytes of an entry; at their end it is known whether they are the ones that the index names. @throws DD-BUNDLE-013 */
export async function* bytesOf({ path, handle, start, size }: Source, digest: string): AsyncGenerator<Buffer> {
  const hash = createHash('sha256')
  if (size > 0) {
    for await (const chunk of handle === undefined ? (createReadStream(path, { highWaterMark: READ_BYTES, start, end: start + size - 1 }) as AsyncIterable<Buffer>) : readRange(handle, start, size)) {
      hash.update(chunk)
      yield chunk
    }
  }
  const found = digestOfHash(hash)
  if (found !== digest) throw otherBytes(digest, found)
}

/** Not `handle.createReadStream`: each of those leaves a listener at the handle, and there are as many as chunks. */
async function* readRange(handle: FileHandle, start: number, size: number): AsyncGenerator<Buffer> {
  for (let done = 0; done < size; ) {
    const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, size - done))
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, start + done)
    if (bytesRead === 0) return
    done += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}

export function otherBytes(digest: string, found: string): DrydockError {
  return new DrydockError('DD-BUNDLE-013', `expected blob ${digest} in the workspace, found ${found} in its place`, 'run `drydock bundle collect` again: it fetches what is damaged')
}
