import { ensureFolder } from '../../appliance/core/durable-file.ts'
import type { Digest } from '../../appliance/core/digest.ts'
import { dirname } from 'node:path'
import { entriesOfAny } from '../format/brought.ts'
import type { Index } from '../format/index-file.ts'
import type { Manifest } from '../format/manifest.ts'
import { MANIFEST_NAME, SIGNATURES_NAME } from '../format/manifest-file.ts'
import { shardBytes } from '../format/parity.ts'
import { rebuildShards, type Work } from './code.ts'
import type { Shard } from './shard.ts'
import { volumeSink, type VolumeSink } from './volume-sink.ts'

export type RebuildInput = {
  manifest: Manifest
  index: Index
  /** What every volume of the set begins with, and what the rebuilt ones will begin with. */
  head: { manifest: Uint8Array; signatures: string; parts: readonly Uint8Array[] }
  /** Every shard of the set, in its order: volumes, then parity volumes. */
  shards: readonly Shard[]
  /** Which volumes to write, and where. */
  wanted: ReadonlyMap<number, string>
}

/**
 * Writes volume files again, byte for byte. All of them are compared with the signed digests before the first one gets its name.
 * Closes the shards.
 * @throws DD-BUNDLE-020 when too few shards are here, DD-BUNDLE-021 when what comes out is not what was signed
 */
export async function rebuildFiles({ manifest, index, head, shards, wanted }: RebuildInput, work: Work): Promise<{ number: number; file: string; digest: Digest; size: number }[]> {
  const begins = [
    { name: MANIFEST_NAME, bytes: head.manifest }, { name: SIGNATURES_NAME, bytes: Buffer.from(head.signatures, 'latin1') },
    ...head.parts.map((bytes, k) => ({ name: `index/${k}`, bytes })),
  ].map(entry => ({ ...entry, size: entry.bytes.length }))
  const sinks = new Map<number, VolumeSink>()
  try {
    for (const [number, file] of wanted) {
      await ensureFolder(dirname(file))
      sinks.set(number, await volumeSink(file, begins, entriesOfAny(manifest, index, number)))
    }
    await rebuildShards(shards, manifest.volumes.length, shardBytes(manifest.volumes), [...wanted.keys()].map(number => number - 1), async (shard, bytes) => await sinks.get(shard + 1)!.write(bytes), work)
    for (const sink of sinks.values()) await sink.complete()
    const written: Awaited<ReturnType<typeof rebuildFiles>> = []
    for (const [number, sink] of sinks) written.push({ number, file: wanted.get(number)!, ...(await sink.finish()) })
    return written
  } finally {
    for (const sink of sinks.values()) await sink.discard()
    for (const shard of shards) await shard.close()
  }
}
