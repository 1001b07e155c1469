import { canonicalJson } from '../../bundles/format/canonical-json.ts'
import { digestOf } from '../core/digest.ts'

export const DESIRED_FORMAT = 'drydock-desired/1'

/**
 * What stands in desired.json: one line of JSON. `digest` is the SHA-256 of the canonical JSON of all other fields, so that a torn,
 * NUL-filled or edited file is noticed; `previous` is the digest of the envelope before, which makes a chain of one link.
 */
export type Envelope = { format: typeof DESIRED_FORMAT; serial: number; previous: string | null; digest: string; body: unknown }

export function seal(body: unknown, serial: number, previous: string | null): Envelope {
  const rest = { format: DESIRED_FORMAT, serial, previous, body } as const
  return { ...rest, digest: digestOf(canonicalJson(rest)) }
}

/** @returns undefined for anything that `seal` did not make. */
export function unseal(text: string): Envelope | undefined {
  try {
    const value = JSON.parse(text) as Partial<Envelope> | null
    if (typeof value !== 'object' || value === null || value.format !== DESIRED_FORMAT || !Number.isSafeInteger(value.serial)) return undefined
    const { format, serial, previous, body } = value
    if (digestOf(canonicalJson({ format, serial, previous, body })) !== value.digest) return undefined
    return value as Envelope
  } catch {
    return undefined
  }
}
