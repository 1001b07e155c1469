import erasure from '@subspace/reed-solomon-erasure.wasm'
import { DrydockError } from '../../appliance/core/error.ts'

const { ReedSolomonErasure } = erasure
let loaded: ReturnType<typeof ReedSolomonErasure.fromCurrentDirectory> | undefined

/** Shards of one length in one buffer: first the data shards, then the parity shards. */
export type Block = { bytes: Uint8Array; data: number; parity: number }

/** Fills the parity shards of the block. */
export async function encodeBlock({ bytes, data, parity }: Block): Promise<void> {
  loaded ??= ReedSolomonErasure.fromCurrentDirectory()
  checked((await loaded).encode(bytes, data, parity))
}

/** Fills the data shards of the block that are not here, when at least as many shards are here as there are data shards. */
export async function rebuildBlock({ bytes, data, parity }: Block, here: readonly boolean[]): Promise<void> {
  loaded ??= ReedSolomonErasure.fromCurrentDirectory()
  checked((await loaded).reconstruct(bytes, data, parity, [...here]))
}

function checked(result: number): void {
  if (result === ReedSolomonErasure.RESULT_OK) return
  throw new DrydockError('DD-CORE-001', `expected Reed–Solomon to come out, found its result ${result}`, 'report this: it is a fault in the caller')
}
