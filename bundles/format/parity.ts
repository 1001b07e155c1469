import Type from 'typebox'
import { DrydockError } from '../../appliance/core/error.ts'
import { hexOf } from '../../appliance/core/digest.ts'
import type { PayloadEntry } from './index-line.ts'
import { DigestText } from './item.ts'
import { PARITY_SHARDS, PIECE_BYTES, SET_SHARDS } from './limits.ts'

const Size = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })

/**
 * One parity shard, the payload of one parity volume, in slices. It stands in the manifest and not in the index: there the length of
 * the head does not depend on digests that are known only when everything was read.
 *
 * Shard v of a set is the contents of volume v's entries one after the other, without headers and padding, filled up with zeros to the
 * largest payload of the set. Parity shard k is row k of Reed–Solomon over GF(2^8) (bundles/parity/README.md) over these.
 */
export const ParityShard = Type.Object(
  { digest: DigestText, size: Size, slices: Type.Array(Type.Object({ digest: DigestText, size: Type.Integer({ minimum: 1, maximum: PIECE_BYTES }) }, { additionalProperties: false }), { minItems: 1, maxItems: 65536 }) },
  { additionalProperties: false },
)
export type ParityShard = Type.Static<typeof ParityShard>
export const Parity = Type.Array(ParityShard, { minItems: 1, maxItems: PARITY_SHARDS })

type OfManifest = { volumes: readonly { payloadSize: number }[]; parity?: readonly ParityShard[] }

/** Bytes of every shard of a set: its largest payload. A set that brings nothing has shards of one zero byte, so that a parity volume always holds something. */
export function shardBytes(volumes: OfManifest['volumes']): number {
  return Math.max(1, ...volumes.map(({ payloadSize }) => payloadSize))
}

export const PARITY = 'parity/'

/** The entries of parity volume `number`, which counts on after the last volume: `parity/<k>/<slice>-<sha256>`. */
export function parityEntries({ volumes, parity = [] }: OfManifest, number: number): PayloadEntry[] {
  const k = number - volumes.length
  return (parity[k - 1]?.slices ?? []).map(({ digest, size }, j) => ({ name: `${PARITY}${k}/${String(j).padStart(5, '0')}-${hexOf(digest)}`, digest, size, volume: number }))
}

/** @throws DD-BUNDLE-012 when the parity that a manifest announces cannot be one of its volumes */
export function checkParity(manifest: OfManifest): void {
  const { volumes, parity } = manifest
  if (parity === undefined) return
  if (volumes.length + parity.length > SET_SHARDS) throw lies(`at most ${SET_SHARDS} volumes and parity volumes together`, `${volumes.length} and ${parity.length}`)
  const size = shardBytes(volumes)
  parity.forEach((shard, k) => {
    const sum = shard.slices.reduce((bytes, slice) => bytes + slice.size, 0)
    if (shard.size !== size || sum !== size) throw lies(`parity ${k + 1} to be ${size} bytes, as the largest volume`, `${shard.size} announced and ${sum} in its slices`)
  })
}

function lies(expected: string, found: string): DrydockError {
  return new DrydockError('DD-BUNDLE-012', `expected ${expected}, found ${found}`, 'this was not written by `drydock bundle build`; fetch the bundle again')
}
