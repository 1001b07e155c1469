import { multiply, type Matrix } from './field.ts'

/** Rows whose products with one byte fit into one word of a table. */
const ROWS_AT_ONCE = 4
/** Bytes of each shard that are worked on before the next ones: the sums of so many stay in the nearest cache. */
const TILE_BYTES = 4096

/**
 * A product of a matrix with shards, byte by byte: `outputs[r] = Σ rows[r][k] · inputs[k]`. For each input one table gives the products
 * with up to four rows in one look, so that four parity shards cost as much as one.
 */
export function combiner(rows: Matrix): (inputs: readonly Uint8Array[], outputs: readonly Uint8Array[]) => void {
  const groups = Array.from({ length: Math.ceil(rows.length / ROWS_AT_ONCE) }, (_, g) => tablesOf(rows.slice(g * ROWS_AT_ONCE, (g + 1) * ROWS_AT_ONCE)))
  const sums = new Uint32Array(TILE_BYTES)
  return (inputs, outputs) => {
    const length = outputs[0]?.length ?? 0
    for (let at = 0; at < length; at += TILE_BYTES) {
      const end = Math.min(length, at + TILE_BYTES)
      for (const [g, tables] of groups.entries()) {
        sums.fill(0)
        for (let k = 0; k < inputs.length; k += 4) {
          const [a, b, c, d] = [0, 1, 2, 3].map(n => inputs[k + n]?.subarray(at, end) ?? NO_INPUT)
          addFour(sums, end - at, a!, tables[k]!, b!, tables[k + 1] ?? NOTHING, c!, tables[k + 2] ?? NOTHING, d!, tables[k + 3] ?? NOTHING)
        }
        for (let r = 0; r < ROWS_AT_ONCE; r++) {
          const output = outputs[g * ROWS_AT_ONCE + r]
          if (output === undefined) break
          takeRow(sums, output.subarray(at, end), 8 * r)
        }
      }
    }
  }
}

const NOTHING = new Uint32Array(256)

const NO_INPUT = new Uint8Array(TILE_BYTES)

/** Four inputs in one pass: a quarter of the trips to the sums. */
function addFour(sums: Uint32Array, length: number, a: Uint8Array, aTable: Uint32Array, b: Uint8Array, bTable: Uint32Array, c: Uint8Array, cTable: Uint32Array, d: Uint8Array, dTable: Uint32Array): void {
  for (let i = 0; i < length; i++) sums[i] = sums[i]! ^ aTable[a[i]!]! ^ bTable[b[i]!]! ^ cTable[c[i]!]! ^ dTable[d[i]!]!
}

function takeRow(sums: Uint32Array, output: Uint8Array, shift: number): void {
  for (let i = 0; i < output.length; i++) output[i] = sums[i]! >>> shift
}

function tablesOf(rows: Matrix): Uint32Array[] {
  return Array.from(rows[0] ?? [], (_, k) => Uint32Array.from({ length: 256 }, (_, byte) => rows.reduce((word, row, r) => (word | (multiply(row[k]!, byte) << (8 * r))) >>> 0, 0)))
}
