import Type from 'typebox'
import type { Digest } from '../../appliance/core/digest.ts'

/** What a bundle can hold. The order is the order in which preflight and packing lists show them. */
export const ITEM_KINDS = ['npm', 'pypi', 'deb', 'oci', 'file', 'image', 'role', 'go', 'crate', 'maven', 'nuget', 'trust', 'recall', 'advisories', 'appliance'] as const
export type ItemKind = (typeof ITEM_KINDS)[number]

/** Who has checked a document's shape has checked its digests: the pattern is that of `parseDigest`, so the type may say so. */
export const DigestText = Type.Unsafe<Digest>(Type.String({ pattern: '^sha256:[0-9a-f]{64}$' }))

/** One blob of an item. `name` is its file name or its role inside the item (`numpy-1.26.4-….whl`, `config`). */
export const ItemBlob = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 255 }),
    digest: DigestText,
    size: Type.Integer({ minimum: 0 }),
    mediaType: Type.Optional(Type.String({ maxLength: 255 })),
    /** Pieces or chunks, in order, when the blob does not travel whole. */
    parts: Type.Optional(Type.Array(Type.Object({ entry: Type.String({ maxLength: 200 }), digest: DigestText, size: Type.Integer({ minimum: 0 }) }, { additionalProperties: false }))),
  },
  { additionalProperties: false },
)
export type ItemBlob = Type.Static<typeof ItemBlob>

/**
 * One thing that a mirror serves. `metadata` by kind:
 *   npm   { manifest: the version object of the packument without dist.tarball, integrity, tags: string[] }
 *   pypi  { files: [{ filename, requiresPython?, yanked? , metadata?: blob name of its PEP 658 METADATA }] }   one item a release
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
    /** Tells apart what shares name and version: the architecture and suite of a deb; empty elsewhere. */
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
