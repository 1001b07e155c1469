import { digestOf, type Digest } from '../../appliance/core/digest.ts'
import { parseIndex } from '../../bundles/format/index-file.ts'
import type { VerifiedIndex, VerifiedManifest } from '../../bundles/format/verified.ts'

/** @param parts the compressed index, as the volume holds it after manifest and signatures. @throws DD-BUNDLE-009…012 */
export function verifyIndex(verified: VerifiedManifest, parts: readonly Uint8Array[]): VerifiedIndex {
  return parseIndex(verified.manifest, parts) as VerifiedIndex
}

/**
 * The same, remembering the last index: an import asks for it five times, and 200,000 items take seconds each time. The bytes are hashed
 * against the signed manifest every time, so what is remembered is what they would give again.
 */
export function rememberingVerifyIndex(): { verifyIndex: typeof verifyIndex; forget(): void } {
  let last: { manifest: Digest; index: VerifiedIndex } | undefined
  return {
    verifyIndex(verified, parts) {
      const { index } = verified.manifest
      const same = last?.manifest === verified.digest && parts.length === index.length && parts.every((part, k) => digestOf(part) === index[k]!.digest)
      if (last === undefined || !same) last = { manifest: verified.digest, index: verifyIndex(verified, parts) }
      return last.index
    },
    forget() {
      last = undefined
    },
  }
}
