import { DrydockError } from '../../appliance/core/error.ts'
import { blobsNotBrought } from '../../bundles/format/brought.ts'
import { parseIndex } from '../../bundles/format/index-file.ts'
import { PIECES } from '../../bundles/format/index-line.ts'
import type { VerifiedIndex, VerifiedManifest } from '../../bundles/format/verified.ts'

/** @param parts the compressed index, as the volume holds it after manifest and signatures. @throws DD-BUNDLE-009…012 */
export function verifyIndex(verified: VerifiedManifest, parts: readonly Uint8Array[]): VerifiedIndex {
  const index = parseIndex(verified.manifest, parts)
  if (verified.manifest.volumes.length > 1 || index.entries.some(({ name }) => name.startsWith(PIECES))) {
    throw new DrydockError('DD-BUNDLE-011', `expected one volume of whole blobs, found ${verified.manifest.volumes.length} volumes or pieces`, 'this version does not import sets of volumes: build without --volume')
  }
  return { ...index, needed: blobsNotBrought(index) } as unknown as VerifiedIndex
}
