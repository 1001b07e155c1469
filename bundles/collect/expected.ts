import type { Digest } from '../../appliance/core/digest.ts'
import { DrydockError } from '../../appliance/core/error.ts'

/** What upstream says about bytes, in any of the ways that registries say it. */
export type Expected = {
  algorithm: 'sha256' | 'sha384' | 'sha512'
  hex: string
  /** Who says so, in the words of an error: `the lock file`. */
  by?: string
}
export type Kept = { digest: Digest; size: number }

/** @param where what the other hash is of: the bytes that came, or an index that contradicts. */
export function mismatch(what: string, expected: Expected, found: string, where = 'the bytes that came'): DrydockError {
  return new DrydockError(
    'DD-COLLECT-004',
    `expected ${what} with ${expected.algorithm} ${expected.hex}${expected.by === undefined ? '' : ` (by ${expected.by})`}, found ${found} in ${where}`,
    'nothing of it was kept; ask the registry for a clean copy, and look for a cache or proxy on the way that changes bytes',
  )
}
