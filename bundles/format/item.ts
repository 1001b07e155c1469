import Type from 'typebox'
import type { Digest } from '../../appliance/core/digest.ts'

/** What a bundle can hold. The order is the order in which preflight and packing lists show them. */
export const ITEM_KINDS = ['npm', 'pypi', 'deb', 'oci', 'file', 'image', 'role', 'go', 'crate', 'maven', 'nuget', 'trust', 'recall', 'advisories', 'appliance'] as const
export type ItemKind = (typeof ITEM_KINDS)[number]

/** Who has checked a document's shape has checked its digests: the pattern is that of `parseDigest`, so the type may say so. */
export const DigestText = Type.Unsafe<Digest>(Type.String({ pattern: '^sha256:[0-9a-f]{64}$' }))

const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const strict = { additionalProperties: false } as const

/** A fixed piece of a blob: `digest` and `size` are of its bytes, which stand in the volume as they are. */
export const Piece = Type.Object({ entry: Type.String({ maxLength: 200 }), digest: DigestText, size: Count }, strict)
/** A content-defined chunk: the entry is one zstd frame, `content` what it unfolds to. A reader stops at that size. */
export const Chunk = Type.Object({ entry: Type.String({ maxLength: 200 }), content: Type.Object({ digest: DigestText, size: Count }, strict) }, strict)
/** Bytes that are not brought: the receiver takes `size` bytes at `offset` of a blob that it holds already. Only in deltas. */
export const Copy = Type.Object({ from: DigestText, offset: Count, size: Count }, strict)
export const BlobPart = Type.Union([Piece, Chunk, Copy])
export type Piece = Type.Static<typeof Piece>
export type Chunk = Type.Static<typeof Chunk>
export type Copy = Type.Static<typeof Copy>
export type BlobPart = Type.Static<typeof BlobPart>

/** Bytes of the blob that a part makes. */
export function partBytes(part: BlobPart): number {
  return 'content' in part ? part.content.size : part.size
}

/** One blob of an item. `name` is its file name or its role inside the item (`numpy-1.26.4-….whl`, `config`). */
export const ItemBlob = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 255 }),
    digest: DigestText,
    size: Type.Integer({ minimum: 0 }),
    mediaType: Type.Optional(Type.String({ maxLength: 255 })),
    /** When the blob does not travel whole, in order: pieces only, or chunks and copies. The latter stand in lines of their own in the index (index-line.ts). */
    parts: Type.Optional(Type.Array(BlobPart)),
  },
  { additionalProperties: false },
)
export type ItemBlob = Type.Static<typeof ItemBlob>

/**
 * One thing that a mirror serves. `metadata` by kind:
 *   npm   { manifest: the version object of the packument without dist.tarball, integrity, tags: string[] }
 *   pypi  { files: [{ filename, requiresPython?, yanked? , metadata?: blob name of its PEP 658 METADATA }],   one item a release
 *           requires?: `NAME==VERSION` of what pip chose for its Requires-Dist on the targets of the collection, sorted }
 *   deb   { suite, component, architecture, control: the Packages stanza without Filename/Size/hashes, filename: its name in the pool }
 *   oci   { mediaType, digest: of the manifest or index that `version` (a tag) names }    blobs: manifests, configs and layers
 *   file  { path: where it is served under /files/, executable? }                        one blob
 *   role  {}                                                                             one blob: the role pack's YAML
 */
export const Item = Type.Object(
  {
    kind: Type.Enum(ITEM_KINDS),
    name: Type.String({ minLength: 1, maxLength: 512 }),
    version: Type.String({ minLength: 1, maxLength: 256 }),
    /** Tells apart what shares name and version: the suite and architecture of a deb, the architecture of a role when it is not amd64; empty elsewhere. */
    variant: Type.Optional(Type.String({ maxLength: 128 })),
    metadata: Type.Record(Type.String(), Type.Unknown()),
    blobs: Type.Array(ItemBlob),
    /** A purl (https://github.com/package-url/purl-spec), never the address it was fetched from. */
    source: Type.String({ maxLength: 2048 }),
    upstream: Type.Optional(Type.Object({ digest: Type.Optional(Type.String()), signedBy: Type.Optional(Type.String()) }, { additionalProperties: false })),
    /** SPDX expressions that upstream declared in a field meant for them. */
    licences: Type.Optional(Type.Array(Type.String({ maxLength: 512 }))),
    /** What upstream wrote about its licence in other words (`BSD`, a trove classifier, `SEE LICENSE IN …`): a claim that nobody has read into SPDX. */
    licenceClaims: Type.Optional(Type.Array(Type.String({ maxLength: 512 }))),
  },
  { additionalProperties: false },
)
export type Item = Type.Static<typeof Item>

/** What names an item inside one generation: two items of one generation never share it. */
export function itemKey(item: Pick<Item, 'kind' | 'name' | 'version' | 'variant'>): string {
  return `${item.kind}:${item.name}@${item.version}${item.variant === undefined ? '' : `#${item.variant}`}`
}
