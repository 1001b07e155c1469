import Type from 'typebox'
import { DrydockError } from '../../../appliance/core/error.ts'
import type { Digest } from '../../../appliance/core/digest.ts'
import { checkShape } from '../../format/check.ts'
import { DigestText } from '../../format/item.ts'

const Annotations = Type.Optional(Type.Record(Type.String(), Type.String()))
/** https://github.com/opencontainers/image-spec/blob/main/descriptor.md */
export const Descriptor = Type.Object({
  mediaType: Type.String({ maxLength: 255 }),
  digest: DigestText,
  size: Type.Integer({ minimum: 0 }),
  urls: Type.Optional(Type.Array(Type.String())),
  platform: Type.Optional(Type.Object({ os: Type.String(), architecture: Type.String(), variant: Type.Optional(Type.String()) })),
  annotations: Annotations,
})
export type Descriptor = Type.Static<typeof Descriptor>

const Subject = Type.Optional(Type.Object({ digest: DigestText }))
const ImageManifest = Type.Object({ config: Descriptor, layers: Type.Array(Descriptor), subject: Subject, annotations: Annotations })
const ImageIndex = Type.Object({ manifests: Type.Array(Descriptor), subject: Subject, annotations: Annotations })

const INDEXES = ['application/vnd.oci.image.index.v1+json', 'application/vnd.docker.distribution.manifest.list.v2+json']
const MANIFESTS = ['application/vnd.oci.image.manifest.v1+json', 'application/vnd.docker.distribution.manifest.v2+json']
/** What a registry is asked for, best first. */
export const MANIFEST_TYPES = [...INDEXES, ...MANIFESTS]

/** A manifest or an index by its bytes: what it names, and what it refers to. A layer with `urls` lies elsewhere and would be missing inside. */
export type Parsed = { manifests: Descriptor[]; others: Descriptor[]; subject: Digest | undefined; annotations: Record<string, string> }

/** @throws DD-COLLECT-013 for another kind of manifest, or one with a foreign layer. */
export function parseManifest(bytes: Buffer, mediaType: string, what: string): Parsed {
  const document = parsedJson(bytes, what)
  if (INDEXES.includes(mediaType)) {
    const { manifests, subject, annotations = {} } = checkShape(ImageIndex, document, `index of ${what}`)
    return { manifests, others: [], subject: subject?.digest, annotations }
  }
  const { config, layers, subject, annotations = {} } = checkShape(ImageManifest, document, `manifest of ${what}`)
  const foreign = [config, ...layers].find(({ urls, mediaType: type }) => (urls ?? []).length > 0 || type.includes('foreign') || type.includes('nondistributable'))
  if (foreign !== undefined) throw new DrydockError('DD-COLLECT-013', `expected every layer of ${what} in its registry, found a foreign layer ${foreign.digest}`, 'build the image with its layers inside: inside the air gap nothing else can be reached')
  return { manifests: [], others: [config, ...layers], subject: subject?.digest, annotations }
}

/** The media type that the document gives itself, else what its registry says, else what its fields mean. */
export function mediaTypeOf(bytes: Buffer, told: string | undefined, what: string): string {
  const document = parsedJson(bytes, what)
  const own = document['mediaType']
  const type = typeof own === 'string' ? own : told !== undefined && MANIFEST_TYPES.includes(told) ? told : 'manifests' in document ? INDEXES[0]! : MANIFESTS[0]!
  if (!MANIFEST_TYPES.includes(type)) throw new DrydockError('DD-COLLECT-013', `expected an OCI or Docker v2 manifest for ${what}, found ${type.slice(0, 100)}`, 'convert the image: skopeo copy --format oci')
  return type
}

export function isIndex(mediaType: string): boolean {
  return INDEXES.includes(mediaType)
}

export function isManifest(mediaType: string): boolean {
  return MANIFEST_TYPES.includes(mediaType)
}

export function parsedJson(bytes: Buffer, what: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch {
    // A login page or a proxy's error, told below like any other wrong answer.
  }
  throw new DrydockError('DD-COLLECT-013', `expected the manifest of ${what} as a JSON object, found something else`, 'look at the registry or proxy that answered')
}
