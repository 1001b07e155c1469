import { DrydockError } from '../../appliance/core/error.ts'
import { canonicalJson } from './canonical-json.ts'
import { JSON_DEPTH } from './limits.ts'

/**
 * JSON from outside that has exactly one spelling: what is parsed prints to the same bytes again. That alone refuses duplicate keys,
 * white space, escapes, byte order marks, `1.0`, and numbers that a double cannot hold; the rest is refused by name.
 * Depth is measured before parsing, because recursion over hostile depth ends the process.
 * @throws DD-BUNDLE-009
 */
export function parseCanonicalJson(bytes: Uint8Array, what: string): unknown {
  const text = decodeUtf8(bytes, what)
  checkDepth(text, what)
  const value = parse(text, what)
  const isSorted = checkValues(value, what)
  // The engine prints keys in the order in which they stand, many times faster; where that is the canonical order, it prints canonical JSON.
  if (isSorted && JSON.stringify(value) === text) return value
  if (canonicalJson(value) !== text) throw refused(what, 'another spelling (duplicate keys, white space, order of keys or form of numbers)')
  return value
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decodeUtf8(bytes: Uint8Array, what: string): string {
  try {
    return UTF8.decode(bytes)
  } catch (cause) {
    throw refused(what, 'bytes that are not UTF-8', cause)
  }
}

function checkDepth(text: string, what: string): void {
  let depth = 0
  let quoted = false
  for (let i = 0; i < text.length; i++) {
    const character = text.charCodeAt(i)
    if (quoted) {
      if (character === 0x5c) i++
      else if (character === 0x22) quoted = false
    } else if (character === 0x22) quoted = true
    else if (character === 0x7b || character === 0x5b) {
      if (++depth > JSON_DEPTH) throw refused(what, `nesting deeper than ${JSON_DEPTH}`)
    } else if (character === 0x7d || character === 0x5d) depth--
  }
}

function parse(text: string, what: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw refused(what, text.startsWith('\ufeff') ? 'a byte order mark' : 'text that is not JSON', cause)
  }
}

/**
 * `__proto__` becomes an own property here but a prototype in the next copy; a large integer becomes its neighbour.
 * @returns whether the keys of every object stand in the order of RFC 8785
 */
function checkValues(value: unknown, what: string): boolean {
  if (typeof value === 'number' && Math.abs(value) > Number.MAX_SAFE_INTEGER) throw refused(what, 'a number beyond 2^53 - 1')
  if (typeof value === 'string' && !value.isWellFormed()) throw refused(what, 'half a surrogate pair')
  if (typeof value !== 'object' || value === null) return true
  let isSorted = true
  if (Array.isArray(value)) {
    for (const field of value) isSorted = checkValues(field, what) && isSorted
    return isSorted
  }
  let before = ''
  for (const [key, field] of Object.entries(value)) {
    if (key === '__proto__') throw refused(what, 'the key __proto__')
    if (!key.isWellFormed()) throw refused(what, 'half a surrogate pair')
    isSorted = checkValues(field, what) && before <= key && isSorted
    before = key
  }
  return isSorted
}

function refused(what: string, found: string, cause?: unknown): DrydockError {
  return new DrydockError('DD-BUNDLE-009', `expected ${what} to be canonical JSON (RFC 8785), found ${found}`, 'this was not written by `drydock bundle build`; fetch the bundle again', cause === undefined ? {} : { cause })
}
