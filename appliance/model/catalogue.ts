import type { Item, ItemKind } from '../../bundles/format/item.ts'
import type { Digest } from '../core/digest.ts'

/** One generation as those who resolve and render see it. Immutable. */
export interface CatalogueView {
  readonly generation: number
  items(kind: ItemKind): Iterable<Item>
  /** All versions and variants of one name; empty when there is none. */
  find(kind: ItemKind, name: string): Item[]
}

/** Where verified bytes lie. The file is 0440 and never changes. */
export interface BlobSource {
  blobPath(digest: Digest): string
}

/** The content-addressed store (blobs/sha256/ab/abcd…). A blob appears whole under its digest or not at all. */
export interface BlobStore extends BlobSource {
  has(digest: Digest): boolean
  /** Small documents (locks, receipts, rendered indexes). Durable before it returns. */
  put(bytes: Uint8Array | string): Promise<Digest>
  /** Links a verified, already synced file of the same file system into the store; no second copy. */
  adopt(path: string, digest: Digest): Promise<void>
  /** @throws DD-CORE-005 when the bytes on disk are no longer what the digest says. */
  read(digest: Digest): Promise<Buffer>
}

/** Generations over the blob store. */
export interface Catalogue {
  /** The generation that is served. Generation 0 is empty and always there. */
  current(): CatalogueView
  at(generation: number): CatalogueView
  generations(): { generation: number; at: string; operation: string; counts: Record<string, number>; current: boolean }[]
  /**
   * Makes generation N+1 from N and these items, renders every index and publishes it at once; idempotent by operation id.
   * All blobs must be in the store. An item whose key exists with other digests is refused (DD-MIRROR-…), nothing changes.
   */
  promote(change: { operation: string; items: readonly Item[] }): Promise<{ generation: number }>
}
