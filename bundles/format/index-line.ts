import Type from 'typebox'
import { Chunk, Copy, DigestText, Item } from './item.ts'

/** The folders of a payload, as the names of its entries begin. */
export const BLOBS = 'blobs/'
export const PIECES = 'pieces/'
export const CHUNKS = 'chunks/'

/** A payload entry: `name` is blobs/<hex>, pieces/<hex> or chunks/<hex>; `digest` is of the bytes as they stand in the volume. */
export const PayloadEntry = Type.Object(
  {
    name: Type.String({ pattern: '^(blobs|pieces|chunks)/[0-9a-f]{64}$' }),
    size: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
    digest: DigestText,
    volume: Type.Integer({ minimum: 1, maximum: 999 }),
  },
  { additionalProperties: false },
)
export type PayloadEntry = Type.Static<typeof PayloadEntry>

/** Chunks and copies that make a blob, in order. A long list takes several lines, one after the other. */
export const PartsLine = Type.Object({ blob: DigestText, list: Type.Array(Type.Union([Chunk, Copy]), { minItems: 1 }) }, { additionalProperties: false })
export type PartsLine = Type.Static<typeof PartsLine>

/**
 * One line of the NDJSON index. All entries come first, in the order of the payload, then the parts of blobs in chunks, then the items in
 * the order of their keys. An item's blob that no entry and no parts bring is one that the receiver must hold already (deltas).
 */
export const IndexLine = Type.Union([
  Type.Object({ entry: PayloadEntry }, { additionalProperties: false }),
  Type.Object({ parts: PartsLine }, { additionalProperties: false }),
  Type.Object({ item: Item }, { additionalProperties: false }),
])
export type IndexLine = Type.Static<typeof IndexLine>
