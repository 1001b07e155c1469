import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOfHash, hexOf, type Digest } from '../../appliance/core/digest.ts'
import { ensureFolder } from '../../appliance/core/durable-file.ts'
import { DrydockError } from '../../appliance/core/error.ts'
import type { Signer } from '../../appliance/core/signer.ts'
import { armorSignatures, dearmorSignatures } from '../openpgp/index.ts'
import { writeVolume, type VolumeWriter } from '../archive/index.ts'
import type { CollectionLock, Workspace } from '../format/collection-lock.ts'
import { encodeIndex, type Index } from '../format/index-file.ts'
import { itemKey } from '../format/item.ts'
import { SIGNATURES_BYTES } from '../format/limits.ts'
import { BUNDLE_FORMAT, type Manifest } from '../format/manifest.ts'
import { encodeManifest, MANIFEST_NAME, SIGNATURES_NAME, volumeName } from '../format/manifest-file.ts'
import { checkVolume } from './check-volume.ts'

export type BuildInput = {
  lock: CollectionLock
  /** WORKSPACE/blobs: every blob by its 64 hex digits. */
  blobFolder: string
  sender: Pick<Workspace, 'id' | 'site' | 'stream' | 'epoch' | 'sequence'>
  signers: readonly Signer[]
  /** The folder that gets the volume file. */
  out: string
  /** What the receiver holds already (its receipt's inventory), and the digest that names it in the manifest. */
  since?: { base: Digest; inventory: ReadonlySet<string> }
  signal?: AbortSignal
  progress?: (done: number, total: number) => void
}

export type Built = { file: string; manifest: Manifest; digest: Digest; size: number }

/**
 * Writes one volume: the same lock, sender and sequence give the same bytes, except manifest.json.asc.
 * What was written is read back and compared before this returns.
 * @throws DD-BUNDLE-013 when a blob is missing or altered, DD-BUNDLE-015 when reading back finds other bytes
 */
export async function buildBundle(input: BuildInput): Promise<Built> {
  const index = indexOf(input.lock, input.since?.inventory ?? new Set())
  const parts = encodeIndex(index)
  const manifest = manifestOf(input, index, parts.map(({ part }) => part))
  const manifestBytes = encodeManifest(manifest)
  await ensureFolder(input.out)
  const file = join(input.out, volumeName(manifest, 1))
  const volume = await writeVolume(file)
  try {
    const signatures = await signaturesOf(manifestBytes, input.signers)
    await volume.add({ name: MANIFEST_NAME, size: manifestBytes.length }, manifestBytes)
    await volume.add({ name: SIGNATURES_NAME, size: signatures.length }, signatures)
    for (const { part, bytes } of parts) await volume.add({ name: part.name, size: bytes.length }, bytes)
    await addPayload(volume, index, input)
    const { digest, size } = await volume.finish()
    await readBack(file, manifestBytes, input.signal)
    return { file, manifest, digest, size }
  } finally {
    await volume.discard()
  }
}

/** Entries in the order in which the sorted items need them, each blob once; what the receiver has stays out. */
export function indexOf(lock: CollectionLock, held: ReadonlySet<string>): Index {
  const items = lock.items.toSorted((a, b) => (itemKey(a) < itemKey(b) ? -1 : 1))
  const entries = new Map<string, Index['entries'][number]>()
  for (const item of items) {
    for (const blob of item.blobs) {
      if (held.has(blob.digest) || entries.has(blob.digest)) continue
      entries.set(blob.digest, { name: `blobs/${hexOf(blob.digest)}`, size: blob.size, digest: blob.digest, volume: 1 })
    }
  }
  return { entries: [...entries.values()], items }
}

function manifestOf(input: BuildInput, index: Index, parts: Manifest['index']): Manifest {
  const bytes = index.entries.reduce((sum, entry) => sum + entry.size, 0)
  const items: Record<string, number> = {}
  for (const item of index.items) items[item.kind] = (items[item.kind] ?? 0) + 1
  return {
    format: BUNDLE_FORMAT,
    product: 'drydock',
    name: input.lock.name,
    site: input.sender.site,
    stream: input.sender.stream,
    workspace: input.sender.id,
    epoch: input.sender.epoch,
    sequence: input.sender.sequence,
    created: input.lock.created,
    ...(input.since === undefined ? {} : { base: input.since.base }),
    index: parts,
    volumes: [{ payloadSize: bytes, firstEntry: 0, entries: index.entries.length }],
    totals: { entries: index.entries.length, bytes, items },
  }
}

/** All signatures as packets of one armored block: `gpg --verify` then shows every signer in one call. Without signers, an empty file. */
export async function signaturesOf(manifest: Uint8Array, signers: readonly Signer[], before: readonly Uint8Array[] = []): Promise<Buffer> {
  const packets = [...before]
  for (const signer of signers) packets.push(...dearmorSignatures(await signer.sign(manifest)))
  const armored = Buffer.from(packets.length === 0 ? '' : armorSignatures(packets))
  if (armored.length > SIGNATURES_BYTES) throw new DrydockError('DD-BUNDLE-010', `expected at most ${SIGNATURES_BYTES} bytes of signatures, found ${armored.length}`, 'sign with fewer keys')
  return armored
}

async function addPayload(volume: VolumeWriter, index: Index, input: BuildInput): Promise<void> {
  const total = index.entries.reduce((sum, entry) => sum + entry.size, 0)
  let done = 0
  for (const entry of index.entries) {
    input.signal?.throwIfAborted()
    const path = join(input.blobFolder, hexOf(entry.digest))
    const found = await stat(path).catch(() => undefined)
    if (found?.size !== entry.size) {
      throw new DrydockError('DD-BUNDLE-013', `expected ${entry.size} bytes for blob ${entry.digest} in the workspace, found ${found === undefined ? 'no such file' : found.size}`, 'run `drydock bundle collect` again: it fetches what is missing')
    }
    await volume.add(entry, checked(path, entry.digest))
    done += entry.size
    input.progress?.(done, total)
  }
}

/** The bytes of a blob; at their end it is known whether they are the ones that the lock names. */
async function* checked(path: string, digest: string): AsyncGenerator<Buffer> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    hash.update(chunk)
    yield chunk
  }
  const found = digestOfHash(hash)
  if (found !== digest) throw new DrydockError('DD-BUNDLE-013', `expected blob ${digest} in the workspace, found ${found} in its place`, 'run `drydock bundle collect` again: it fetches what is damaged')
}

/** A bundle that cannot be read back is not left on the medium. */
async function readBack(file: string, manifest: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
  try {
    await checkVolume(file, { signal, expected: manifest })
  } catch (cause) {
    await unlink(file)
    if (!(cause instanceof DrydockError)) throw cause
    throw new DrydockError('DD-BUNDLE-015', `expected to read back what was written to ${file}, found other bytes`, 'the medium or its reader is bad: write to another one', { cause })
  }
}
