import Type from 'typebox'
import { DigestText, Item } from './item.ts'

/** The folders of a payload, as the names of its entries begin. */
export const BLOBS = 'blobs/'
export const PIECES = 'pieces/'

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

/**
 * One line of the NDJSON index. All entries come first, in the order of the payload, then the items in the order of their keys.
 * An item's blob that no entry brings is one that the receiver must hold already (deltas).
 */
export const IndexLine = Type.Union([
  Type.Object({ entry: PayloadEntry }, { additionalProperties: false }),
  Type.Object({ item: Item }, { additionalProperties: false }),
])
export type IndexLine = Type.Static<typeof IndexLine>
