import { DrydockError } from '../../appliance/core/error.ts'

/**
 * Canonical JSON by RFC 8785: keys sorted by UTF-16 code units, no white space, numbers as ECMAScript prints them.
 * @throws DD-BUNDLE-001 for what JSON cannot say (NaN, undefined, bigint, lone surrogates).
 */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === 'boolean') return String(value)
  if (typeof value === 'number' && Number.isFinite(value)) return JSON.stringify(value)
  if (typeof value === 'string' && value.isWellFormed()) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value === 'object') {
    const pairs = Object.entries(value).filter(([, field]) => field !== undefined)
    pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    return `{${pairs.map(([key, field]) => `${canonicalJson(key)}:${canonicalJson(field)}`).join(',')}}`
  }
  throw new DrydockError('DD-BUNDLE-001', `expected a value that JSON can hold, found ${typeof value === 'number' ? String(value) : typeof value}`, 'report this: it is a fault in the caller')
}
