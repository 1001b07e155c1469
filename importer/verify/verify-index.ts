import { parseIndex } from '../../bundles/format/index-file.ts'
import type { VerifiedIndex, VerifiedManifest } from '../../bundles/format/verified.ts'

/** @param parts the compressed index, as the volume holds it after manifest and signatures. @throws DD-BUNDLE-009…012 */
export function verifyIndex(verified: VerifiedManifest, parts: readonly Uint8Array[]): VerifiedIndex {
  return parseIndex(verified.manifest, parts) as VerifiedIndex
}
