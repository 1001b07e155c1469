import type Type from 'typebox'
import type { Digest } from '../../appliance/core/digest.ts'
import type { Signer } from './import-record.ts'
import type { Index } from './index-file.ts'
import type { Manifest } from './manifest.ts'
import type { TrustRole } from './trust.ts'

/** `jump` says why a second person must agree to the sequence, or is null. `last` is the sequence before in this epoch, 0 for none. */
export type SequenceVerdict = { last: number; jump: string | null }

declare const verifiedBrand: unique symbol
/**
 * A manifest that enough trusted people signed for this site, newer than all before. Only importer/verify makes one; it stands here so
 * that the unpacker can ask for it without being able to make it.
 */
export type VerifiedManifest = {
  readonly [verifiedBrand]: true
  readonly manifest: Manifest
  /** SHA-256 of manifest.json. */
  readonly digest: Digest
  readonly signers: readonly Type.Static<typeof Signer>[]
  readonly role: TrustRole
  readonly threshold: number
  readonly sequence: SequenceVerdict
}

declare const indexBrand: unique symbol
/** What a verified bundle holds, checked against its manifest and against itself. Only importer/verify makes one. */
export type VerifiedIndex = Index & { readonly [indexBrand]: true }
