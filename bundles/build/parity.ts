import { createHash } from 'node:crypto'
import { unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOf, digestOfHash } from '../../appliance/core/digest.ts'
import { DrydockError } from '../../appliance/core/error.ts'
import { PARITY_SHARDS, SET_SHARDS } from '../format/limits.ts'
import type { Manifest, Volume } from '../format/manifest.ts'
import { volumeName } from '../format/manifest-file.ts'
import { parityEntries, shardBytes, type ParityShard } from '../format/parity.ts'
import { encodeShards, streamedShard, volumeSink, type Shard, type VolumeSink, type Work } from '../parity/index.ts'
import type { Entry } from '../archive/index.ts'
import type { Index } from '../format/index-file.ts'
import type { PayloadEntry } from '../format/index-line.ts'

/** What stands in the manifest until the payload was read: as long as what will stand there, so that the size of the head is known before. */
const NOT_YET = digestOf('')

/** @throws DD-BUNDLE-018 */
export function parityCount(text: string): number {
  if (/^\d{1,2}$/.test(text) && Number(text) <= PARITY_SHARDS) return Number(text)
  throw new DrydockError('DD-BUNDLE-018', `expected 0 to ${PARITY_SHARDS} parity volumes, found ${JSON.stringify(text.slice(0, 40))}`, 'for example: --parity 2, and any two lost or damaged discs are rebuilt')
}

/** @param sliceBytes no entry of a parity volume is larger. @throws DD-BUNDLE-018 when there are too many volumes */
export function parityPlaceholder(volumes: readonly Volume[], count: number, sliceBytes: number): ParityShard[] {
  if (volumes.length + count > SET_SHARDS) {
    throw new DrydockError('DD-BUNDLE-018', `expected at most ${SET_SHARDS} volumes and parity volumes together, found ${volumes.length} and ${count}`, 'build with larger volumes')
  }
  const size = shardBytes(volumes)
  const slices = Array.from({ length: Math.ceil(size / sliceBytes) }, (_, k) => ({ digest: NOT_YET, size: Math.min(sliceBytes, size - k * sliceBytes) }))
  return Array.from({ length: count }, () => ({ digest: NOT_YET, size, slices }))
}

export type ParityInput = {
  /** With the placeholder, or with the parity that was computed. */
  manifest: Manifest & { parity: ParityShard[] }
  index: Index
  /** The bytes of a payload entry, as they stand in its volume. */
  bytesOf: (entry: PayloadEntry) => AsyncIterable<Uint8Array>
}

/** Reads the whole payload once and gives the digests of its parity: the manifest must name them before anything is written. */
export async function computeParity(input: ParityInput, work: Work): Promise<ParityShard[]> {
  const hashes = input.manifest.parity.map(({ slices }) => {
    const whole = createHash('sha256')
    const sizes = slices.map(({ size }) => size)
    const found: ParityShard['slices'] = []
    let slice = createHash('sha256')
    let left = sizes[0]!
    return {
      async update(bytes: Uint8Array): Promise<void> {
        whole.update(bytes)
        for (let at = 0; at < bytes.length; ) {
          const part = bytes.subarray(at, at + left)
          slice.update(part)
          at += part.length
          left -= part.length
          if (left > 0) continue
          found.push({ digest: digestOfHash(slice), size: sizes[found.length]! })
          slice = createHash('sha256')
          left = sizes[found.length] ?? 0
        }
      },
      finish: () => ({ digest: digestOfHash(whole), size: sizes.reduce((sum, size) => sum + size, 0), slices: found }),
    }
  })
  await encode(input, async (shard, bytes) => await hashes[shard]!.update(bytes), work)
  return hashes.map(hash => hash.finish())
}

/** Writes every parity volume of the set, all in one reading of the payload. @throws DD-BUNDLE-021 when the payload changed meanwhile */
export async function writeParity(input: ParityInput, out: string, head: readonly (Entry & { bytes: Uint8Array })[], work: Work): Promise<{ file: string; digest: Awaited<ReturnType<VolumeSink['finish']>>['digest']; size: number }[]> {
  const { manifest } = input
  const files = manifest.parity.map((_shard, k) => join(out, volumeName(manifest, manifest.volumes.length + k + 1)))
  const sinks: VolumeSink[] = []
  const written: Awaited<ReturnType<typeof writeParity>> = []
  try {
    for (const [k, file] of files.entries()) sinks.push(await volumeSink(file, head, parityEntries(manifest, manifest.volumes.length + k + 1)))
    await encode(input, async (shard, bytes) => await sinks[shard]!.write(bytes), work)
    for (const sink of sinks) await sink.complete()
    for (const [k, sink] of sinks.entries()) written.push({ file: files[k]!, ...(await sink.finish()) })
    return written
  } catch (failure) {
    for (const { file } of written) await unlink(file).catch(() => undefined)
    throw failure
  } finally {
    for (const sink of sinks) await sink.discard()
  }
}

async function encode({ manifest, index, bytesOf }: ParityInput, take: (shard: number, bytes: Uint8Array) => Promise<void>, work: Work): Promise<void> {
  const shards: Shard[] = manifest.volumes.map(({ firstEntry, entries }) => streamedShard(contents(index.entries.slice(firstEntry, firstEntry + entries), bytesOf)))
  try {
    await encodeShards(shards, manifest.parity.length, shardBytes(manifest.volumes), take, work)
  } finally {
    for (const shard of shards) await shard.close()
  }
}

async function* contents(entries: readonly PayloadEntry[], bytesOf: ParityInput['bytesOf']): AsyncGenerator<Uint8Array> {
  for (const entry of entries) yield* bytesOf(entry)
}
