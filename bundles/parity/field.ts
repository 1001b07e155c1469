/** GF(2^8) with x^8 + x^4 + x^3 + x^2 + 1 and the generator 2: logarithms, and powers twice over so that no sum of two needs a modulus. */
const POLYNOMIAL = 0x11d
const LOG = new Uint8Array(256)
const POWER = new Uint8Array(512)
for (let exponent = 0, value = 1; exponent < 255; exponent++) {
  LOG[value] = exponent
  POWER[exponent] = value
  POWER[exponent + 255] = value
  value = value << 1
  if (value > 255) value ^= POLYNOMIAL
}

export type Matrix = Uint8Array[]

export function multiply(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : POWER[LOG[a]! + LOG[b]!]!
}

function power(base: number, exponent: number): number {
  if (exponent === 0) return 1
  return base === 0 ? 0 : POWER[(LOG[base]! * exponent) % 255]!
}

/**
 * `data` + `parity` rows of `data` coefficients; the first rows are the identity, and any `data` of the rows can be inverted.
 * Vandermonde V[r][c] = r^c, times the inverse of its upper square: as Backblaze JavaReedSolomon, klauspost/reedsolomon and
 * rust-rse/reed-solomon-erasure have it.
 */
export function codingMatrix(data: number, parity: number): Matrix {
  const vandermonde = Array.from({ length: data + parity }, (_, row) => Uint8Array.from({ length: data }, (_, column) => power(row, column)))
  return times(vandermonde, inverse(vandermonde.slice(0, data)))
}

export function times(a: Matrix, b: Matrix): Matrix {
  return a.map(row => {
    const out = new Uint8Array(b[0]!.length)
    row.forEach((factor, k) => addMultiple(out, b[k]!, factor))
    return out
  })
}

/** Gauss and Jordan. The matrix must be invertible, which any rows of the coding matrix are. */
export function inverse(matrix: Matrix): Matrix {
  const size = matrix.length
  const left = matrix.map(row => Uint8Array.from(row))
  const right = matrix.map((_row, r) => Uint8Array.from({ length: size }, (_, c) => (r === c ? 1 : 0)))
  for (let column = 0; column < size; column++) {
    const pivot = left.findIndex((row, r) => r >= column && row[column] !== 0)
    for (const side of [left, right]) [side[column], side[pivot]] = [side[pivot]!, side[column]!]
    const factor = POWER[255 - LOG[left[column]![column]!]!]!
    for (const side of [left, right]) side[column] = side[column]!.map(value => multiply(value, factor))
    for (let r = 0; r < size; r++) {
      const clear = left[r]![column]!
      if (r === column || clear === 0) continue
      addMultiple(left[r]!, left[column]!, clear)
      addMultiple(right[r]!, right[column]!, clear)
    }
  }
  return right
}

/** In this field adding and subtracting are the same. */
function addMultiple(into: Uint8Array, row: Uint8Array, factor: number): void {
  if (factor === 0) return
  for (let k = 0; k < into.length; k++) into[k] = into[k]! ^ multiply(row[k]!, factor)
}
