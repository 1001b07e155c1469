import { DrydockError } from '../../appliance/core/error.ts'

/** The index and the signed manifest, or the index and itself, do not say the same. */
export function disagrees(expected: string, found: string, cause?: unknown): DrydockError {
  return new DrydockError('DD-BUNDLE-012', `expected ${expected}, found ${found}`, 'the index and the signed manifest do not belong together; fetch the bundle again', cause === undefined ? {} : { cause })
}
