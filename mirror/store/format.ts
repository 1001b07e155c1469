import type { Digest } from '../../appliance/core/digest.ts'
import { itemKey, type Item, type ItemKind } from '../../bundles/format/item.ts'
import type { BlobStore } from './blobs.ts'

/** One generation as those who resolve and render see it. Immutable. */
export type CatalogueView = {
  readonly generation: number
  items(kind: ItemKind): Iterable<Item>
  /** All versions and variants of one name; empty when there is none. */
  find(kind: ItemKind, name: string): Item[]
}

/** What a format sees of the generation before: also the names alone, and the index bytes it rendered then. */
export type RenderView = CatalogueView & {
  names(kind: ItemKind): Iterable<string>
  /** @returns undefined when nothing is served at this path. */
  read(kind: ItemKind, path: string): Promise<Buffer | undefined>
  /** A small document that an item brought. */
  blob(digest: Digest): Promise<Buffer>
}

/**
 * One thing to serve: bytes that were rendered just now, or a blob that an item brought. `path` is the name inside the mirror, as
 * `MirrorFormat.find` gives it; a path that was there before is superseded.
 */
export type Rendered = {
  path: string
  mediaType: string
  /** What this path holds never changes (a tarball, by-hash): clients may keep it for ever. */
  immutable?: boolean
} & ({ bytes: Uint8Array | string } | { digest: Digest })

/** What is served at a path of one generation. `ours`: rendered here, so clients cannot check it and we do. */
export type Entry = { digest: Digest; mediaType: string; immutable: boolean; ours: boolean }

/** A request, seen by a format: `path` is decoded, has no leading slash and no prefix; it is a key to look up, never a file name. */
export type MirrorRequest = { path: string; accept: string }

/** Where the answer lies. `notFound` bodies are in the ecosystem's own form. */
export type Found =
  | { path: string; headers?: (entry: Entry) => Record<string, string>; otherwise?: { body: string; mediaType: string } }
  /** Relative to the format's prefix, encoded. */
  | { redirect: string }
  /** A fixed answer that no catalogue is needed for. */
  | { body: string; mediaType: string; headers?: Record<string, string> }

export type MirrorFormat = {
  readonly kind: ItemKind
  /** URL prefix without slashes: `npm`, `pypi`, `apt`, `v2`, `files`. */
  readonly prefix: string
  /** What stands in its indexes beside the items (an address, a key). When it is another than last time, its indexes are rendered again. */
  readonly stamp: string
  /**
   * Checks one item against its bytes, before a person approves it.
   * @throws DD-MIRROR-004 … naming the item and what is wrong with it
   */
  validate(item: Item, blobs: BlobStore): Promise<void>
  /** The same key with other blobs: one item that holds both, or undefined when that would change what is there. */
  merge?(before: Item, after: Item): Item | undefined
  /** Everything that is served differently once `changes` (new or replaced items) stand beside `previous`. */
  render(previous: RenderView, changes: readonly Item[]): Iterable<Rendered> | AsyncIterable<Rendered>
  find(request: MirrorRequest): Found
  /** The ecosystem's own form of an error. `what` is the path asked for, or the reason. */
  refusal(status: number, what: string): { body: string; mediaType: string; headers?: Record<string, string> }
}

/** All items of one name once the changes stand: what a per-name index is rendered from. */
export function findAfter(previous: CatalogueView, changes: readonly Item[], kind: ItemKind, name: string): Item[] {
  const items = new Map(previous.find(kind, name).map(item => [itemKey(item), item]))
  for (const item of changes) if (item.name === name) items.set(itemKey(item), item)
  return [...items.values()]
}
