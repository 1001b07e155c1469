import { createHash, type Hash } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import Type from 'typebox'
import { digestOfHash, hexOf } from '../../appliance/core/digest.ts'
import { ensureFolder, writeDurably } from '../../appliance/core/durable-file.ts'
import { openHalf, type DurableHalf } from '../../appliance/core/durable-half.ts'
import { BLOB_FOLDER } from '../format/collection-lock.ts'
import { checkShape } from '../format/check.ts'
import type { Meter } from './progress.ts'
import type { Expected, Kept } from './expected.ts'

/**
 *     WORKSPACE/halves/<algorithm>-<hex>         what came so far of a large download, named by what it must become
 *     WORKSPACE/halves/<algorithm>-<hex>.json    the ETag of the answer that it is of
 * All of it can be deleted at any time; a collect that ended well deletes it.
 */
export const HALVES = 'halves'
const Answered = Type.Object({ etag: Type.String({ maxLength: 1024 }) }, { additionalProperties: false })

/** A blob on its way. Nothing of it is under `blobs/` before all of its bytes have the expected hash. */
export type Half = {
  size(): number
  /** The strong ETag of the answer that the bytes are of. */
  etag(): string | undefined
  /** What is here goes; what is written from now on is of another answer. */
  restart(etag: string | undefined): Promise<void>
  write(chunk: Buffer): Promise<void>
  /** The blob, when its bytes are the expected ones; otherwise nothing of it stays and the other hash is told. */
  finish(): Promise<Kept | { found: string }>
  /** What came stays for the next try. */
  close(): Promise<void>
}

/** @param release is called when it is closed */
export async function openHalfBlob(folder: string, expected: Expected, meter: Meter, release: () => void): Promise<Half> {
  const place = join(folder, HALVES)
  await ensureFolder(place)
  const path = join(place, `${expected.algorithm}-${expected.hex}`)
  const file = await openHalf(path, { mode: 0o640 })
  let hashes = await hashesOf(file, expected)
  let etag = file.size() === 0 ? undefined : await etagIn(`${path}.json`)

  async function empty(): Promise<void> {
    if (file.size() === 0 && etag === undefined) return
    await file.empty()
    await rm(`${path}.json`, { force: true })
    hashes = await hashesOf(file, expected)
    etag = undefined
  }
  return {
    size: file.size,
    etag: () => etag,
    async restart(newEtag) {
      // In this order, so that no byte ever stands beside the ETag of another answer.
      await empty()
      if (newEtag === undefined) return
      await writeDurably(`${path}.json`, JSON.stringify({ etag: newEtag }), { mode: 0o640 })
      etag = newEtag
    },
    async write(chunk) {
      await file.write(chunk)
      for (const hash of Object.values(hashes)) hash.update(chunk)
      meter.received(chunk.length)
    },
    async finish() {
      const digest = digestOfHash(hashes.sha256)
      const found = expected.algorithm === 'sha256' ? hexOf(digest) : (hashes[expected.algorithm]?.digest('hex') ?? '')
      if (found !== expected.hex) {
        await empty()
        return { found }
      }
      const size = file.size()
      await file.commit(join(folder, BLOB_FOLDER, hexOf(digest)))
      await rm(`${path}.json`, { force: true })
      return { digest, size }
    },
    async close() {
      if (file.size() === 0 && etag !== undefined) await rm(`${path}.json`, { force: true })
      await file.close()
      release()
    },
  }
}

/** The bytes that are there, hashed as the blob's name needs it and as upstream says it. */
async function hashesOf(file: DurableHalf, { algorithm }: Expected): Promise<{ sha256: Hash } & Partial<Record<Expected['algorithm'], Hash>>> {
  const hashes = { sha256: createHash('sha256'), ...(algorithm === 'sha256' ? {} : { [algorithm]: createHash(algorithm) }) }
  for await (const chunk of file.read()) for (const hash of Object.values(hashes)) hash.update(chunk)
  return hashes
}

async function etagIn(path: string): Promise<string | undefined> {
  try {
    return checkShape(Answered, JSON.parse(await readFile(path, 'utf8')), path).etag
  } catch {
    // The digest decides at the end; the ETag only spares a download that could not come out right.
    return undefined
  }
}
