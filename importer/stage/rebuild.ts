import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { entriesOf } from '../../bundles/format/brought.ts'
import { volumeName } from '../../bundles/format/manifest-file.ts'
import type { VerifiedIndex, VerifiedManifest } from '../../bundles/format/verified.ts'
import { lostShard, rebuildFiles, shardOf, type Shard } from '../../bundles/parity/index.ts'
import { parityPath, segmentsStaged, type Held } from '../unpack/index.ts'

export type RebuildVolumes = {
  verified: VerifiedManifest
  index: VerifiedIndex
  head: { manifest: Uint8Array; signatures: string; parts: readonly Uint8Array[] }
  /** Volumes and parity volumes whose payload is staged. */
  staged: readonly number[]
  wanted: readonly number[]
  blobFolder: string
  parityFolder: string
  /** The folder for the volume files that are made. */
  out: string
  store: Held
  signal: AbortSignal
  progress: (done: number, total: number) => void
}

/**
 * Writes lost volumes of a set again, from what is staged of the others. Nothing is parsed here: what is read was compared with the signed
 * digests when it was staged, and what comes out is compared with them before it gets a name. Then it goes the way of any volume,
 * through the confined process.
 * @returns a file for each volume that was wanted
 */
export async function rebuildVolumes(input: RebuildVolumes): Promise<Map<number, string>> {
  const { verified: { manifest }, index, staged } = input
  const shards: Shard[] = [
    ...manifest.volumes.map(({ payloadSize }, k) => (staged.includes(k + 1) ? shardOf(segmentsStaged(index, k + 1, input.blobFolder, input.store)) : lostShard(payloadSize))),
    ...(manifest.parity ?? []).map(({ size }, k) => {
      const number = manifest.volumes.length + k + 1
      return staged.includes(number) ? shardOf([{ path: parityPath(input.parityFolder, manifest, number), position: 0, length: size }]) : lostShard(size)
    }),
  ]
  await rm(input.out, { recursive: true, force: true })
  const wanted = new Map(input.wanted.map(number => [number, join(input.out, volumeName(manifest, number))]))
  const total = input.wanted.reduce((sum, number) => sum + entriesOf(index, number).reduce((bytes, { size }) => bytes + size, 0), 0)
  let done = 0
  await rebuildFiles({ manifest, index, head: input.head, shards, wanted }, { signal: input.signal, progress: bytes => input.progress(Math.min((done += bytes), total), total) })
  return wanted
}
