import Type from 'typebox'
import { DigestText } from './item.ts'
import { Parity } from './parity.ts'

export const BUNDLE_FORMAT = 'drydock-bundle/1'

const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })

/** One compressed part of the index: `index/<k>` in every volume. `size` and `digest` are of the zstd bytes, `contentSize` of the NDJSON. */
export const IndexPart = Type.Object(
  { name: Type.String({ pattern: '^index/[0-9]{1,6}$' }), digest: DigestText, size: Count, contentSize: Count, entries: Count, items: Count },
  { additionalProperties: false },
)
export type IndexPart = Type.Static<typeof IndexPart>

/** One volume: payload bytes in it, and its range [firstEntry, firstEntry + entries) of the ordered payload entries. */
export const Volume = Type.Object({ payloadSize: Count, firstEntry: Count, entries: Count }, { additionalProperties: false })
export type Volume = Type.Static<typeof Volume>

/** `manifest.json`, canonical JSON (RFC 8785), at most MANIFEST_BYTES. Fields beyond these are ignored unless `critical` names them. */
export const Manifest = Type.Object({
  format: Type.Literal(BUNDLE_FORMAT),
  product: Type.Literal('drydock'),
  /** The collection's name, first part of the volumes' file names. */
  name: Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,62}$' }),
  /** The site it is for, or `*`. */
  site: Type.String({ pattern: '^(\\*|[a-z0-9][a-z0-9-]{0,62})$' }),
  stream: Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,62}$' }),
  /** The sender's workspace: two of them for one stream are refused with both names. */
  workspace: Type.String({ minLength: 1, maxLength: 128 }),
  epoch: Count,
  sequence: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
  /** The lock's time, UTC ISO 8601 with seconds. */
  created: Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}Z$' }),
  expires: Type.Optional(Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}Z$' })),
  /** What a delta stands on: the digest of a receipt, or of the manifest of an earlier bundle of this stream and epoch, whose sequence then is `baseSequence`. */
  base: Type.Optional(DigestText),
  baseSequence: Type.Optional(Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })),
  /** Items that are at the base as they are in the lock, so many, and stay out of the index. Always critical: who ignores it would miss them. */
  omits: Type.Optional(Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })),
  index: Type.Array(IndexPart, { maxItems: 4096 }),
  volumes: Type.Array(Volume, { minItems: 1, maxItems: 999 }),
  /** What parity volumes hold. A reader that does not know it needs every volume, and refuses a parity volume by its first entry; so it is not critical. */
  parity: Type.Optional(Parity),
  totals: Type.Object({ entries: Count, bytes: Count, items: Type.Record(Type.String(), Count) }, { additionalProperties: false }),
  critical: Type.Optional(Type.Array(Type.String({ maxLength: 64 }), { maxItems: 64 })),
})
export type Manifest = Type.Static<typeof Manifest>
