import { createHash } from 'node:crypto'

/**
 * A number in [0, 1) that depends on the seed and on what it is for, not on how many were drawn before: the same VM has the same
 * fate whatever happens around it, and after a restart.
 */
export function chance(seed: number, what: string): number {
  return createHash('sha256').update(`${seed}:${what}`).digest().readUInt32BE(0) / 2 ** 32
}

export function within(seed: number, what: string, [from, to]: readonly [number, number]): number {
  return Math.round(from + chance(seed, what) * Math.max(0, to - from))
}
