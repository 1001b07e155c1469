import Type from 'typebox'
import { DigestText } from '../format/item.ts'
import type { Digest } from '../../appliance/core/digest.ts'
import { CHUNKER } from './fastcdc.ts'

/** Where a blob was cut and what the chunks are: with it the sender knows what of a blob the receiver has, long after its own bytes are gone. */
export const ChunkMap = Type.Object(
  {
    format: Type.Literal('drydock-chunk-map/1'),
    chunker: Type.Literal(CHUNKER),
    blob: DigestText,
    sizes: Type.Array(Type.Integer({ minimum: 1 })),
    /** SHA-256 of each chunk, 64 hex digits, one after the other. */
    contents: Type.String({ pattern: '^([0-9a-f]{64})*$' }),
  },
  { additionalProperties: false },
)
export type ChunkMap = Type.Static<typeof ChunkMap>

/** Chunk maps by blob. `get` gives nothing for a blob of which none was kept. */
export interface ChunkMaps {
  get(blob: Digest): Promise<ChunkMap | undefined>
  keep(map: ChunkMap): Promise<void>
  /** Every blob of which a map is kept. */
  list(): Promise<Digest[]>
}

export function hexAt({ contents }: ChunkMap, chunk: number): string {
  return contents.slice(chunk * 64, chunk * 64 + 64)
}

export function offsetsOf({ sizes }: ChunkMap): number[] {
  let offset = 0
  return sizes.map(size => {
    offset += size
    return offset - size
  })
}
