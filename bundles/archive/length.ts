import { DrydockError } from '../../appliance/core/error.ts'
import { BLOCK_BYTES, type Entry } from './header.ts'
import { END_OF_ARCHIVE, padding } from './writer.ts'

/** How long a volume is whose payload begins at this byte: there is one way to write it. Bytes. */
export function volumeBytes(payloadOffset: number, payload: readonly Entry[]): number {
  return payload.reduce((sum, { size }) => sum + BLOCK_BYTES + size + padding(size), payloadOffset + END_OF_ARCHIVE.length)
}

/**
 * A copy that was cut off, or to which something was added, known by its length alone, before any of the payload is read.
 * @throws DD-BUNDLE-005, 006
 */
export function checkLength(expected: number, found: number, what: string): void {
  if (found < expected) {
    throw new DrydockError('DD-BUNDLE-005', `expected ${what} to be ${expected} bytes, found it truncated to ${found}`, 'the copy or the upload was not finished: copy this one again, wait until the medium is written (sync), and bring it again')
  }
  if (found > expected) {
    throw new DrydockError('DD-BUNDLE-006', `expected ${what} to be ${expected} bytes, found ${found}: something follows its end`, 'this file was changed after it was built; fetch the bundle again')
  }
}
