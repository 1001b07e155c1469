import { DrydockError } from '../../appliance/core/error.ts'

const SIGNATURE_TAG = 2

/**
 * Bodies of the signature packets in a block (RFC 9580, 4.2). gpg writes the old packet format and others the new one; both are
 * taken, each only with its shortest length, so that a packet has one spelling for its writer.
 * @throws DD-TRUST-002 for other packets, partial or indeterminate lengths, and whatever does not end with the block
 */
export function signatureBodies(block: Uint8Array): Uint8Array[] {
  return packetsOf(block).map(({ body }) => body)
}

/** The same packets whole, each with its header: what a signature file is put together from. @throws DD-TRUST-002 */
export function signaturePackets(block: Uint8Array): Uint8Array[] {
  return packetsOf(block).map(({ packet }) => packet)
}

function packetsOf(block: Uint8Array): { packet: Uint8Array; body: Uint8Array }[] {
  const packets: { packet: Uint8Array; body: Uint8Array }[] = []
  for (let at = 0; at < block.length; ) {
    const { tag, start, length } = (block[at]! & 0x40) === 0 ? oldHeader(block, at) : newHeader(block, at)
    if ((block[at]! & 0x80) === 0 || tag !== SIGNATURE_TAG || length === 0 || start + length > block.length) throw malformed()
    packets.push({ packet: block.subarray(at, start + length), body: block.subarray(start, start + length) })
    at = start + length
  }
  if (packets.length === 0) throw malformed()
  return packets
}

type PacketHeader = { tag: number; start: number; length: number }

function oldHeader(block: Uint8Array, at: number): PacketHeader {
  const tag = (block[at]! >> 2) & 0x0f
  const [one = 0, two = 0] = [block[at + 1], block[at + 2]]
  if ((block[at]! & 3) === 0) return { tag, start: at + 2, length: one }
  if ((block[at]! & 3) === 1 && one > 0) return { tag, start: at + 3, length: one * 256 + two }
  throw malformed()
}

function newHeader(block: Uint8Array, at: number): PacketHeader {
  const tag = block[at]! & 0x3f
  const [one = 0, two = 0] = [block[at + 1], block[at + 2]]
  if (one < 192) return { tag, start: at + 2, length: one }
  if (one < 224) return { tag, start: at + 3, length: (one - 192) * 256 + two + 192 }
  throw malformed()
}

function malformed(): DrydockError {
  return new DrydockError('DD-TRUST-002', 'expected only OpenPGP signature packets, found other bytes', 'the signature file is damaged or not one; fetch it again, or sign with `drydock bundle sign`')
}
