import { digestOf, type Digest } from '../../appliance/core/digest.ts'
import { parseIndex } from '../../bundles/format/index-file.ts'
import type { VerifiedIndex, VerifiedManifest } from '../../bundles/format/verified.ts'

/** @param parts the compressed index, as the volume holds it after manifest and signatures. @throws DD-BUNDLE-009…012 */
export function verifyIndex(verified: VerifiedManifest, parts: readonly Uint8Array[]): VerifiedIndex {
  return parseIndex(verified.manifest, parts) as VerifiedIndex
}

/** An index that is smaller once it is unfolded is parsed in a moment. Bytes. */
const REMEMBERED_FROM = 4 * 1024 * 1024

/**
 * The same, remembering the last large index: an import asks for it five times, and 200,000 items take seconds each time. The bytes are
 * hashed against the signed manifest every time, so what is remembered is what they would give again. One is remembered and no more, for its
 * memory: of two large imports that alternate each parses again. A small one, such as a recall that overtakes, is parsed each time and leaves
 * the large one alone.
 */
export function rememberingVerifyIndex(): { verifyIndex: typeof verifyIndex; forget(manifest: Digest): void } {
  let last: { manifest: Digest; index: VerifiedIndex } | undefined
  return {
    verifyIndex(verified, parts) {
      const { index } = verified.manifest
      if (index.reduce((bytes, { contentSize }) => bytes + contentSize, 0) < REMEMBERED_FROM) return verifyIndex(verified, parts)
      const same = last?.manifest === verified.digest && parts.length === index.length && parts.every((part, k) => digestOf(part) === index[k]!.digest)
      if (last !== undefined && same) return last.index
      // Let go of before the next one is parsed: the two would be in memory together.
      last = undefined
      last = { manifest: verified.digest, index: verifyIndex(verified, parts) }
      return last.index
    },
    forget(manifest) {
      if (last?.manifest === manifest) last = undefined
    },
  }
}
