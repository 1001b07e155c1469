import { hexOf, parseDigest, type Digest } from '../../../appliance/core/digest.ts'
import type { Coming } from '../progress.ts'
import type { Expected, Kept } from '../expected.ts'
import type { Workspace } from '../workspace.ts'
import type { Descriptor } from './descriptor.ts'

/** A manifest as it came, with the media type that goes with it. */
export type FoundManifest = { bytes: Buffer; mediaType: string; digest: Digest }

/** Where one repository's content comes from: a registry, a layout on the disk, or what skopeo copied. */
export interface ImageSource {
  /** What the wish's tag or digest names. @throws DD-COLLECT-006 when there is no such thing. */
  root(): Promise<FoundManifest>
  /** What another tag of the same repository names, or undefined. */
  tagged(tag: string): Promise<FoundManifest | undefined>
  /** A manifest that an index or a referrer list names. The caller checks its digest. */
  manifest(descriptor: Descriptor): Promise<Buffer>
  /** The bytes of a config or layer, kept in the workspace when they have their digest. */
  blob(descriptor: Descriptor, workspace: Workspace, coming: Coming): Promise<Kept>
  /** What names this digest as its subject (OCI 1.1). */
  referrers(digest: Digest): Promise<Descriptor[]>
  close(): Promise<void>
}

export function expectedOf({ digest }: Descriptor): Expected {
  return { algorithm: 'sha256', hex: hexOf(parseDigest(digest)), by: 'its manifest' }
}
