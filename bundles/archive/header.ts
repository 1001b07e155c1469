import { Header } from 'tar/header'
import { DrydockError } from '../../appliance/core/error.ts'
import { printable } from '../../appliance/core/printable.ts'

export const BLOCK_BYTES = 512
/** The largest size that the octal field of a POSIX header holds: 8 GiB - 1. */
export const ENTRY_BYTES = 0o77777777777
/** Every entry bears this time, 1980-01-01: nothing about the machine that wrote it, and nothing that a tar warns about. */
const MTIME = new Date(315532800000)

/** An entry as it stands in a volume: a regular file. Size in bytes. */
export type Entry = { name: string; size: number }

/**
 * The one header that an entry of this name and size can have. Writer and reader share it: the reader compares all 512 bytes, so
 * links, devices, modes, PAX records, base-256 sizes and whatever two tars could read differently are refused by one comparison.
 */
export function headerOf(entry: Entry): Buffer {
  return PLAIN_NAME.test(entry.name) && Number.isSafeInteger(entry.size) && entry.size >= 0 && entry.size <= ENTRY_BYTES ? overTemplate(entry) : encoded(entry)
}

/** What the names of our own entries are made of. */
const PLAIN_NAME = /^[a-z0-9][a-z0-9./-]{0,97}[a-z0-9]$/
/** Where the fields that differ stand (POSIX ustar): name, size, checksum in 6 octal digits. */
const SIZE_AT = 124
const CHECKSUM_AT = 148
let template: { block: Buffer; sum: number } | undefined

/** The same bytes as `encoded` gives, which takes 15 µs for each of a million entries: only three fields are written, over a header that tar made. */
function overTemplate({ name, size }: Entry): Buffer {
  template ??= blank()
  const block = Buffer.from(template.block)
  let { sum } = template
  for (let k = 0; k < name.length; k++) sum += block[k] = name.charCodeAt(k)
  const digits = size.toString(8)
  // Ten digits and a space, as the template has them, or eleven digits.
  const at = SIZE_AT + Math.max(10, digits.length) - digits.length
  for (let k = 0; k < digits.length; k++) {
    sum += digits.charCodeAt(k) - block[at + k]!
    block[at + k] = digits.charCodeAt(k)
  }
  const checksum = sum.toString(8).padStart(6, '0')
  for (let k = 0; k < 6; k++) block[CHECKSUM_AT + k] = checksum.charCodeAt(k)
  return block
}

const SPACE = 0x20

/** Of no name and no bytes; and what its checksum sums up, in which the checksum itself counts as spaces. */
function blank(): { block: Buffer; sum: number } {
  const block = encoded({ name: 'x', size: 0 })
  block[0] = 0
  return { block, sum: block.reduce((sum, byte, k) => sum + (k >= CHECKSUM_AT && k < CHECKSUM_AT + 8 ? SPACE : byte), 0) }
}

export function encoded(entry: Entry): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES)
  const beyondPosix = new Header({ path: entry.name, size: entry.size, mode: 0o644, uid: 0, gid: 0, uname: '', gname: '', mtime: MTIME, type: 'File', devmaj: 0, devmin: 0 }).encode(block)
  if (beyondPosix) {
    throw new DrydockError('DD-BUNDLE-002', `expected an entry that fits a POSIX header (name ≤ 100 bytes, size ≤ ${ENTRY_BYTES} bytes), found ${JSON.stringify(entry.name)} with ${entry.size}`, 'split what is larger into pieces')
  }
  return block
}

/** @throws DD-BUNDLE-003 when the block is not the canonical header of a regular file. */
export function parseHeader(block: Buffer, at: number): Entry {
  const header = decode(block, at)
  const entry = { name: header.path ?? '', size: header.size ?? 0 }
  if (!header.cksumValid) throw notCanonical('a header with a wrong checksum', at)
  if (header.type !== 'File' || block[156] !== 0x30) throw notCanonical(`an entry of type ${JSON.stringify(header.type)} named ${quoted(entry.name)}`, at)
  if (!sameBytes(block, entry)) throw notCanonical(`another spelling of the header of ${quoted(entry.name)}`, at)
  return entry
}

function sameBytes(block: Buffer, entry: Entry): boolean {
  try {
    return headerOf(entry).equals(block)
  } catch {
    return false
  }
}

function decode(block: Buffer, at: number): Header {
  try {
    return new Header(block)
  } catch (cause) {
    throw notCanonical('a header that cannot be read', at, cause)
  }
}

function notCanonical(found: string, at: number, cause?: unknown): DrydockError {
  return new DrydockError('DD-BUNDLE-003', `expected the header of a regular file at byte ${at}, found ${found}`, 'this file was not written by `drydock bundle build`; fetch the bundle again', cause === undefined ? {} : { cause })
}

function quoted(name: string): string {
  return `"${printable(name.slice(0, 120))}"`
}
