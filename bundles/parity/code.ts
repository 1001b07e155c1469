import { DrydockError } from '../../appliance/core/error.ts'
import { combiner } from './combine.ts'
import { codingMatrix, inverse, times } from './field.ts'
import type { Shard } from './shard.ts'

/**
 * Memory for the shards of one block; there are two blocks, so that one is read while one is used. It is also what is worked on without a
 * pause, about 10 ms: an appliance that rebuilds goes on answering.
 */
const BUFFER_BYTES = 4 * 1024 * 1024
const MOST_AT_ONCE = 256 * 1024
const LEAST_AT_ONCE = 16 * 1024

/** Takes the bytes of one shard, in order; `shard` counts from 0, data first. */
export type Take = (shard: number, bytes: Uint8Array) => Promise<void>
/** `progress` gets bytes of all shards together, since the last call. */
export type Work = { signal?: AbortSignal | undefined; progress?: ((bytes: number) => void) | undefined }

/** A stretch of all shards over which the same ones are here. */
type Span = { from: number; to: number; here: readonly boolean[] }

/**
 * Parity of data shards, in blocks: no shard is ever in memory.
 * @param take gets the parity shards, the first one as shard 0
 */
export async function encodeShards(shards: readonly Shard[], parity: number, size: number, take: Take, work: Work = {}): Promise<void> {
  const data = shards.length
  const combine = combiner(codingMatrix(data, parity).slice(data))
  for await (const { rows } of blocks([...shards, ...Array.from({ length: parity }, () => undefined)], [{ from: 0, to: size, here: shards.map(() => true) }])) {
    work.signal?.throwIfAborted()
    combine(rows.slice(0, data), rows.slice(data))
    for (let k = 0; k < parity; k++) await take(k, rows[data + k]!)
    work.progress?.(rows[0]!.length * data)
  }
}

/** Bytes of each shard at which too few are here; 0 when everything can be rebuilt. `data` of the shards are data shards, the others parity. */
export function hopelessBytes(shards: readonly Shard[], data: number, size: number): number {
  return spansOf(shards, size).reduce((sum, { from, to, here }) => sum + (here.filter(Boolean).length < data ? to - from : 0), 0)
}

/**
 * Rebuilds whole shards: where one is here it is read, elsewhere it comes from any `data` others.
 * @param wanted which of `shards` to give to `take`; what is rebuilt is only as good as what was read: the caller compares digests
 * @throws DD-BUNDLE-020 when too few are here
 */
export async function rebuildShards(shards: readonly Shard[], data: number, size: number, wanted: readonly number[], take: Take, work: Work = {}): Promise<void> {
  if (hopelessBytes(shards, data, size) > 0) throw tooFew(shards, data)
  const matrix = codingMatrix(data, shards.length - data)
  const spans = spansOf(shards, size).map(span => ({ ...span, here: needed(span.here, data, wanted) }))
  let recipe: { here: readonly boolean[]; lost: number[]; from: number[]; combine: ReturnType<typeof combiner> } | undefined
  for await (const { rows, here } of blocks(shards, spans)) {
    work.signal?.throwIfAborted()
    const lost = wanted.filter(shard => here[shard] !== true)
    if (lost.length > 0) {
      if (recipe === undefined || here.some((isHere, shard) => isHere !== recipe!.here[shard])) {
        const from = here.flatMap((isHere, shard) => (isHere ? [shard] : [])).slice(0, data)
        recipe = { here, lost, from, combine: combiner(times(lost.map(shard => matrix[shard]!), inverse(from.map(shard => matrix[shard]!)))) }
      }
      recipe.combine(recipe.from.map(shard => rows[shard]!), lost.map(shard => rows[shard]!))
    }
    for (const shard of wanted) await take(shard, rows[shard]!)
    work.progress?.(rows[0]!.length * wanted.length)
  }
}

/** Which shards to read: those that are wanted and here, and when one must be rebuilt, as many as that takes, data first. */
function needed(here: readonly boolean[], data: number, wanted: readonly number[]): boolean[] {
  let left = wanted.every(shard => here[shard]) ? 0 : data
  return here.map((isHere, shard) => isHere && (left-- > 0 || wanted.includes(shard)))
}

function tooFew(shards: readonly Shard[], data: number): DrydockError {
  const whole = shards.filter(({ gaps }) => gaps.length === 0).length
  return new DrydockError('DD-BUNDLE-020', `expected ${data} whole volumes and parity volumes of this set to rebuild the others from, found ${whole}`, `bring ${data - whole} more of them, whichever they are: volumes or parity volumes`)
}

function spansOf(shards: readonly Shard[], size: number): Span[] {
  const cuts = [...new Set([0, size, ...shards.flatMap(({ gaps }) => gaps.flatMap(({ from, to }) => [from, to]))])].filter(cut => cut <= size).toSorted((a, b) => a - b)
  const next = shards.map(() => 0)
  return cuts.slice(0, -1).map((from, k) => {
    const here = shards.map(({ gaps }, shard) => {
      while (next[shard]! < gaps.length && gaps[next[shard]!]!.to <= from) next[shard]!++
      const gap = gaps[next[shard]!]
      return gap === undefined || gap.from > from
    })
    return { from, to: cuts[k + 1]!, here }
  })
}

/** The same stretch of every shard; what is not here is to be filled in. */
type Block = { rows: Uint8Array[]; here: readonly boolean[] }

/** Reads the shards block by block; the next one is read while one is used. */
async function* blocks(shards: readonly (Shard | undefined)[], spans: readonly Span[]): AsyncGenerator<Block> {
  const most = Math.max(LEAST_AT_ONCE, Math.min(MOST_AT_ONCE, Math.floor(BUFFER_BYTES / shards.length / LEAST_AT_ONCE) * LEAST_AT_ONCE))
  const longest = Math.min(most, spans.reduce((length, { from, to }) => Math.max(length, to - from), 0))
  const buffers = [0, 1].map(() => shards.map(() => new Uint8Array(longest)))
  const pieces = piecesOf(spans, most)
  const fill = (): Promise<Block> | undefined => {
    const { value: piece } = pieces.next()
    if (piece === undefined) return undefined
    buffers.reverse()
    const filling = fillBlock({ rows: buffers[0]!.map(row => row.subarray(0, piece.length)), here: piece.here }, shards, piece.from)
    // One that fails while nobody waits for it yet is reported by the turn that comes for it.
    filling.catch(() => undefined)
    return filling
  }
  let filling = fill()
  try {
    while (filling !== undefined) {
      const block: Block = await filling
      filling = fill()
      yield block
    }
  } finally {
    // The shards are closed by who opened them, and then nobody may be reading any more.
    await filling?.catch(() => undefined)
  }
}

function* piecesOf(spans: readonly Span[], most: number): Generator<{ from: number; length: number; here: readonly boolean[] }, undefined> {
  for (const { from, to, here } of spans) for (let at = from; at < to; at += most) yield { from: at, length: Math.min(most, to - at), here }
}

async function fillBlock(block: Block, shards: readonly (Shard | undefined)[], offset: number): Promise<Block> {
  await Promise.all(shards.map(async (shard, k) => (block.here[k] === true ? await shard?.read(block.rows[k]!, offset) : undefined)))
  return block
}
