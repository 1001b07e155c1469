import { DrydockError } from '../../appliance/core/error.ts'

const BLOCK = /-----BEGIN PGP SIGNATURE-----\n\n((?:[A-Za-z0-9+/=]{1,76}\n)+)-----END PGP SIGNATURE-----\n/y

/**
 * The binary packets of one or more armored signatures, block by block.
 *
 * Stricter than RFC 9580 (6.2) allows: no armor headers, LF only, nothing between or after the blocks, canonical base64, and the
 * checksum must agree where there is one. A signature file then has one spelling: no byte of it can be changed unnoticed.
 * @throws DD-TRUST-002 when the text is anything else.
 */
export function dearmorSignatures(text: string): Uint8Array[] {
  const blocks: Uint8Array[] = []
  BLOCK.lastIndex = 0
  while (BLOCK.lastIndex < text.length) {
    const at = BLOCK.lastIndex
    const body = BLOCK.exec(text)?.[1]
    if (body === undefined) throw malformed(at === 0 ? firstLine(text) : `other text after ${blocks.length} signature(s)`)
    blocks.push(decodeBody(body))
  }
  if (blocks.length === 0) throw malformed('an empty file')
  return blocks
}

/** One armored block that holds all these packets: what gpg verifies in one call. */
export function armorSignatures(packets: readonly Uint8Array[]): string {
  const bytes = Buffer.concat(packets)
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? []
  return ['-----BEGIN PGP SIGNATURE-----', '', ...lines, `=${crc24(bytes)}`, '-----END PGP SIGNATURE-----', ''].join('\n')
}

function decodeBody(body: string): Uint8Array {
  const lines = body.trimEnd().split('\n')
  const checksum = lines.at(-1)!.startsWith('=') ? lines.pop()!.slice(1) : undefined
  const base64 = lines.join('')
  const bytes = Buffer.from(base64, 'base64')
  if (bytes.length === 0 || bytes.toString('base64') !== base64) throw malformed('damaged base64')
  if (checksum !== undefined && checksum !== crc24(bytes)) throw malformed('a wrong checksum')
  return bytes
}

/** RFC 4880, section 6.1. It protects against nothing but accidents; gpg 2.2 still expects it. */
function crc24(bytes: Uint8Array): string {
  let crc = 0xb704ce
  for (const byte of bytes) {
    crc ^= byte << 16
    for (let bit = 0; bit < 8; bit++) {
      crc <<= 1
      if ((crc & 0x1000000) !== 0) crc ^= 0x1864cfb
    }
  }
  return Buffer.from([(crc >> 16) & 0xff, (crc >> 8) & 0xff, crc & 0xff]).toString('base64')
}

function malformed(found: string): DrydockError {
  return new DrydockError('DD-TRUST-002', `expected armored, detached OpenPGP signatures and nothing else, found ${found}`, 'sign again with `drydock bundle sign`, or with `gpg --armor --detach-sign --no-comments`')
}

function firstLine(text: string): string {
  return JSON.stringify(text.split('\n', 1)[0]!.slice(0, 60))
}
