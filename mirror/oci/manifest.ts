import Type from 'typebox'
import { DigestText } from '../../bundles/format/item.ts'

/** Media types that are manifests: served under manifests/, and read to find what they name. Everything else is a blob. */
export const MANIFEST_TYPES = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
] as const

/** https://github.com/opencontainers/image-spec/blob/main/descriptor.md */
const Descriptor = Type.Object({
  mediaType: Type.String({ maxLength: 255 }),
  digest: DigestText,
  size: Type.Integer({ minimum: 0 }),
  urls: Type.Optional(Type.Array(Type.String())),
  artifactType: Type.Optional(Type.String()),
  annotations: Type.Optional(Type.Record(Type.String(), Type.String())),
})
export type Descriptor = Type.Static<typeof Descriptor>

/** An image manifest or an index; other fields are allowed and kept, because the bytes are served as they came. */
export const Manifest = Type.Object({
  schemaVersion: Type.Literal(2),
  mediaType: Type.Optional(Type.String()),
  artifactType: Type.Optional(Type.String()),
  config: Type.Optional(Descriptor),
  layers: Type.Optional(Type.Array(Descriptor, { maxItems: 1024 })),
  manifests: Type.Optional(Type.Array(Descriptor, { maxItems: 1024 })),
  subject: Type.Optional(Descriptor),
  annotations: Type.Optional(Type.Record(Type.String(), Type.String())),
})
export type Manifest = Type.Static<typeof Manifest>

export function isManifestType(mediaType: string | undefined): boolean {
  return (MANIFEST_TYPES as readonly (string | undefined)[]).includes(mediaType)
}
