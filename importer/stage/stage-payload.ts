import { rm, statfs } from 'node:fs/promises'
import { byteText } from '../../appliance/core/byte-text.ts'
import { ensureFolder } from '../../appliance/core/durable-file.ts'
import { DrydockError } from '../../appliance/core/error.ts'
import { blobsBrought } from '../../bundles/format/brought.ts'
import { shardBytes } from '../../bundles/format/parity.ts'
import type { VerifiedIndex, VerifiedManifest } from '../../bundles/format/verified.ts'
import type { BlobStore } from '../../mirror/store/blobs.ts'
import { bytesCopied, bytesWritten, copiesOf, keptName, openVolume, parityPath, planOf, unpackVolume, volumeNumber, type OpenMedia, type OpenVolume } from '../unpack/index.ts'
import type { ControlBundle } from './control.ts'
import { rebuildVolumes } from './rebuild.ts'
import type { Staging } from './staging.ts'

/** Space beyond the new bytes that must stay free: for rendered indexes, the database, and the rest of the appliance. */
const MARGIN_BYTES = 64 * 1024 * 1024
/** What indexes and database add to the bytes that come in. */
const OVERHEAD = 1.05

export type PayloadDeps = {
  staging: (id: string) => Staging
  /** DATA/staging, whose free space counts. */
  stagingDir: string
  blobs: BlobStore
  openMedia: OpenMedia
  verifyNow: (head: { manifest: Uint8Array; signatures: string }) => Promise<VerifiedManifest>
  verifyIndex: (verified: VerifiedManifest, parts: readonly Uint8Array[]) => VerifiedIndex
  /** From the staging folder. */
  verifiedAgain: (id: string) => Promise<ControlBundle>
}

export type Work = { signal: AbortSignal; progress: (done: number, total: number) => void }

type Staged = { bytes: number; kept: number; peakKiB: number }

/** The steps that put the payload of a bundle into its staging folder. */
export function stagingPayload(deps: PayloadDeps) {
  const { staging, openMedia, verifyNow, verifyIndex, verifiedAgain } = deps
  const steps = {
    /**
     * One pass over the payload of one volume, read from the source that was verified. What other volumes of the set brought stays;
     * after the last one `finishStaging` must follow.
     */
    async stage(id: string, source: string, work: Work, expected = 1): Promise<Staged> {
      const volume = await openVolume(source, openMedia, work.signal)
      try {
        const kept = await staging(id).readHead()
        if (!kept.manifest.equals(volume.head.manifest)) {
          throw new DrydockError('DD-IMPORT-017', `expected the bundle that was verified at ${source}, found another one there`, 'import the new file by itself: `drydock import run`')
        }
        const verified = await verifyNow(volume.head)
        const { parts, payloadOffset } = await volume.indexParts(verified)
        const index = verifyIndex(verified, parts)
        const number = volumeNumber(verified, index, await volume.ends(verified))
        if (number !== expected) throw new DrydockError('DD-IMPORT-017', `expected volume ${expected} at ${source}, found volume ${number} there`, 'bring the volume that is missing: `drydock import run`')
        if (number > verified.manifest.volumes.length) return await stageParity(id, { volume, verified, index, number, payloadOffset }, work)
        const plan = planOf(verified.manifest, index, number, deps.blobs.has)
        await checkSpace(bytesWritten(plan) + (number === 1 ? bytesCopied(index, deps.blobs.has) : 0))
        if (verified.manifest.volumes.length === 1) await staging(id).emptyBlobs()
        else await staging(id).emptyOf(plan.flatMap(({ name, keep }) => (keep ? [keptName(name)] : [])))
        const payload = await volume.payload(payloadOffset)
        try {
          return await unpackVolume({ verified, index, volume: number, media: payload, staging: staging(id).blobFolder, holds: deps.blobs.has, ...work })
        } finally {
          await payload.close()
        }
      } finally {
        await volume.close()
      }
    },

    /**
     * Volumes that are lost, from those that are staged: each is written as a file again and then staged like any other.
     * @throws DD-BUNDLE-020 when too few are staged, DD-BUNDLE-021
     */
    async rebuild(id: string, staged: readonly number[], wanted: readonly number[], work: Work): Promise<void> {
      const { verified, index } = await verifiedAgain(id)
      const { blobFolder, parityFolder, rebuiltFolder: out } = staging(id)
      const head = await staging(id).readHead()
      await checkSpace(wanted.reduce((sum, number) => sum + verified.manifest.volumes[number - 1]!.payloadSize, 0))
      const files = await rebuildVolumes({ verified, index, head, staged, wanted, blobFolder, parityFolder, out, store: deps.blobs, ...work })
      for (const [number, file] of files) await steps.stage(id, file, work, number)
      await rm(out, { recursive: true, force: true })
    },

    /** Blobs that came in parts, joined with what the store has of them: each is read once more, and kept when all of it has its digest. */
    async finishStaging(id: string): Promise<void> {
      const { index } = await verifiedAgain(id)
      const copies = copiesOf(index, deps.blobs.has)
      for (const [digest, { parts, item = digest }] of blobsBrought(index)) {
        if (parts !== undefined && !deps.blobs.has(digest)) await staging(id).finishJoined(digest, { item, copies: copies.get(digest) ?? [], store: deps.blobs })
      }
    },
  }
  return steps

  /** The payload of a parity volume, each slice compared, into a folder of its own: nothing of it ever gets a name in the store. */
  async function stageParity(id: string, { volume, verified, index, number, payloadOffset }: { volume: OpenVolume; verified: VerifiedManifest; index: VerifiedIndex; number: number; payloadOffset: number }, work: Work): Promise<Staged> {
    const folder = staging(id).parityFolder
    await checkSpace(shardBytes(verified.manifest.volumes))
    await ensureFolder(folder, 0o700)
    await rm(parityPath(folder, verified.manifest, number), { force: true })
    const payload = await volume.payload(payloadOffset)
    try {
      return await unpackVolume({ verified, index, volume: number, media: payload, staging: folder, holds: () => false, ...work })
    } finally {
      await payload.close()
    }
  }

  async function checkSpace(bytes: number): Promise<void> {
    const needed = Math.ceil(bytes * OVERHEAD) + MARGIN_BYTES
    const free = await freeBytesIn(deps.stagingDir)
    if (free >= needed) return
    throw new DrydockError('DD-IMPORT-012', `expected ${byteText(needed)} free for ${byteText(bytes)} of new bytes, found ${byteText(free)}`, 'free space on the data volume, then `drydock import resume`')
  }
}

export async function freeBytesIn(folder: string): Promise<number> {
  const disk = await statfs(folder)
  return disk.bavail * disk.bsize
}
