import { unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Digest } from '../../appliance/core/digest.ts'
import { ensureFolder } from '../../appliance/core/durable-file.ts'
import { DrydockError } from '../../appliance/core/error.ts'
import type { Signer } from '../../appliance/core/signer.ts'
import { armorSignatures, dearmorSignatures } from '../openpgp/index.ts'
import { writeVolume, type Entry } from '../archive/index.ts'
import { entriesOf } from '../format/brought.ts'
import type { CollectionLock, Workspace } from '../format/collection-lock.ts'
import type { Index } from '../format/index-file.ts'
import { SIGNATURES_BYTES } from '../format/limits.ts'
import { BUNDLE_FORMAT, type Manifest, type Volume } from '../format/manifest.ts'
import { encodeManifest, MANIFEST_NAME, SIGNATURES_NAME, volumeName } from '../format/manifest-file.ts'
import type { Work } from '../parity/index.ts'
import { checkVolume } from './check-volume.ts'
import type { ChunkMaps } from './chunk-map.ts'
import { refuseOthers, removeOthers } from './in-the-way.ts'
import { computeParity, parityPlaceholder, writeParity, type ParityInput } from './parity.ts'
import { payloadOf, type Payload } from './payload.ts'
import { bytesOf, type Source } from './pieces.ts'
import { pieceBytes, splitIndex, type Split } from './split.ts'

export type BuildInput = {
  lock: CollectionLock
  /** WORKSPACE/blobs: every blob by its 64 hex digits. */
  blobFolder: string
  sender: Pick<Workspace, 'id' | 'site' | 'stream' | 'epoch' | 'sequence'>
  signers: readonly Signer[]
  /** The folder that gets the volume files. */
  out: string
  /** No volume is larger than this many bytes; without it there is one volume. */
  volumeBytes?: number
  /** So many lost or damaged volumes can be rebuilt; each parity volume is as large as the largest volume. */
  parity?: number
  /** What the receiver holds already (its receipt's inventory), and the digest that names it in the manifest. */
  since?: { base: Digest; baseSequence?: number; inventory: ReadonlySet<string>; items?: ReadonlySet<string> }
  /** Take the place of all files of this sequence that stand there, whatever they hold. */
  replace?: boolean
  /** What the workspace remembers of blobs in chunks, see records.ts. */
  maps?: ChunkMaps
  signal?: AbortSignal
  progress?: (progress: BuildProgress) => void
}

/** How far a build is, in bytes that were read or written. Each phase has a total of its own, which is known when it begins. */
export type BuildProgress = { phase: 'cut' | 'compute parity' | 'write and read back'; done: number; total: number }

/** `fromDevice`: it was read back from the device, not from what the kernel remembers of writing it. */
export type BuiltVolume = { file: string; digest: Digest; size: number; fromDevice?: boolean }
/** `file`, `digest` and `size` are those of the first volume; `volumes` are followed by the parity volumes. */
export type Built = BuiltVolume & { manifest: Manifest; volumes: BuiltVolume[] }

/**
 * Writes all volumes: the same lock, sender, sequence and size of volumes give the same bytes, except manifest.json.asc.
 * What was written is read back and compared before this returns; when anything fails, no volume stays.
 * @throws DD-BUNDLE-013 when a blob is missing or altered, DD-BUNDLE-015 when reading back finds other bytes, DD-BUNDLE-018, 032
 */
export async function buildBundle(input: BuildInput): Promise<Built> {
  const payload = await payloadOf({ ...input, progress: (done, total) => input.progress?.({ phase: 'cut', done, total }) })
  try {
    return await buildVolumes(input, payload)
  } finally {
    await payload.close()
  }
}

async function buildVolumes(input: BuildInput, { index, sources, omits }: Payload): Promise<Built> {
  const planned = splitIndex(index, input.volumeBytes, (placed, volumes, parts) => manifestOf(input, omits, placed, volumes, parts))
  const withParity = planned.manifest.parity !== undefined
  const counting = (phase: BuildProgress['phase'], total: number): Work & { progress: (bytes: number) => void } => {
    let done = 0
    return { signal: input.signal, progress: more => input.progress?.({ phase, done: (done = Math.min(done + more, total)), total }) }
  }
  const { bytes } = planned.manifest.totals
  const parityBytes = (planned.manifest.parity ?? []).reduce((sum, { size }) => sum + size, 0)
  const split = withParity ? await parityKnown(planned, sources, counting('compute parity', bytes)) : planned
  const signatures = await signaturesOf(split.manifestBytes, input.signers)
  if (input.replace !== true) await refuseOthers(input.out, split.manifest, split.manifestBytes, input.signers)
  await ensureFolder(input.out)
  const volumes: BuiltVolume[] = []
  // The payload goes into the volumes and comes back from them; for parity it is read once more, and what came of it comes back as well.
  const writing = counting('write and read back', 2 * bytes + (withParity ? bytes + parityBytes : 0))
  try {
    for (let number = 1; number <= split.manifest.volumes.length; number++) {
      const file = join(input.out, volumeName(split.manifest, number))
      volumes.push({ file, ...(await writeOne(file, number, split, signatures, sources, writing)) })
      volumes.at(-1)!.fromDevice = await readBack(file, split.manifestBytes, writing)
    }
    if (withParity) {
      volumes.push(...(await writeParity(parityInput(split, sources), input.out, headOf(split, signatures), writing)))
      for (const parity of volumes.slice(split.manifest.volumes.length)) parity.fromDevice = await readBack(parity.file, split.manifestBytes, writing)
    }
  } catch (failure) {
    for (const { file } of volumes) await unlink(file).catch(() => undefined)
    throw failure
  }
  if (input.replace === true) await removeOthers(input.out, split.manifest, volumes.map(({ file }) => file))
  return { ...volumes[0]!, manifest: split.manifest, volumes }
}

async function writeOne(file: string, number: number, split: Split, signatures: Uint8Array, sources: ReadonlyMap<string, Source>, work: Work): Promise<{ digest: Digest; size: number }> {
  const volume = await writeVolume(file)
  try {
    for (const { name, size, bytes } of headOf(split, signatures)) await volume.add({ name, size }, bytes)
    for (const entry of entriesOf(split.index, number)) {
      work.signal?.throwIfAborted()
      await volume.add(entry, told(bytesOf(sources.get(entry.name)!, entry.digest), work))
    }
    return await volume.finish()
  } finally {
    await volume.discard()
  }
}

/** Chunk by chunk: a piece of 256 MiB on a slow stick is a quarter of a minute. */
async function* told(bytes: AsyncIterable<Buffer>, work: Work): AsyncGenerator<Buffer> {
  for await (const chunk of bytes) {
    yield chunk
    work.progress?.(chunk.length)
  }
}

/** How every volume of the set begins. */
function headOf({ manifestBytes, parts }: Split, signatures: Uint8Array): (Entry & { bytes: Uint8Array })[] {
  const named = [{ name: MANIFEST_NAME, bytes: manifestBytes }, { name: SIGNATURES_NAME, bytes: signatures }, ...parts.map(({ part, bytes }) => ({ name: part.name, bytes }))]
  return named.map(entry => ({ ...entry, size: entry.bytes.length }))
}

function parityInput(split: Split, sources: ReadonlyMap<string, Source>): ParityInput {
  return { manifest: { parity: [], ...split.manifest }, index: split.index, bytesOf: entry => bytesOf(sources.get(entry.name)!, entry.digest) }
}

/** The manifest with the digests of its parity, which takes the place of one that is as long. */
async function parityKnown(planned: Split, sources: ReadonlyMap<string, Source>, work: Work): Promise<Split> {
  const manifest = { ...planned.manifest, parity: await computeParity(parityInput(planned, sources), work) }
  return { ...planned, manifest, manifestBytes: encodeManifest(manifest) }
}

/** What a delta says of itself. An importer that does not know what `omits` means must not take it for the whole lock. */
function baseOf({ base, baseSequence }: NonNullable<BuildInput['since']>, omits: number): Partial<Manifest> {
  return { base, ...(baseSequence === undefined ? {} : { baseSequence }), ...(omits === 0 ? {} : { omits, critical: ['omits'] }) }
}

function manifestOf(input: BuildInput, omits: number, index: Index, volumes: readonly Volume[], parts: Manifest['index']): Manifest {
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
    ...(input.since === undefined ? {} : baseOf(input.since, omits)),
    index: parts,
    volumes: volumes.map(({ payloadSize, firstEntry, entries }) => ({ payloadSize, firstEntry, entries })),
    ...(input.parity === undefined || input.parity === 0 ? {} : { parity: parityPlaceholder(volumes, input.parity, pieceBytes(input.volumeBytes)) }),
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

/** A bundle that cannot be read back is not left on the medium. */
async function readBack(file: string, manifest: Uint8Array, { signal, progress }: Work): Promise<boolean> {
  let read = 0
  try {
    const volume = await checkVolume(file, { signal, expected: manifest, progress(done) {
      progress?.(done - read)
      read = done
    } })
    return volume.direct()
  } catch (cause) {
    await unlink(file)
    if (!(cause instanceof DrydockError)) throw cause
    throw new DrydockError('DD-BUNDLE-015', `expected to read back what was written to ${file}, found other bytes`, 'the medium or its reader is bad: write to another one', { cause })
  }
}
