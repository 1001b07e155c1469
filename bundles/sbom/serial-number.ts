import { hexOf, type Digest } from '../../appliance/core/digest.ts'

/** UUIDv8 (RFC 9562, 5.8) from the first bits of the manifest's SHA-256: one bundle, one number. Not v5, whose hash is SHA-1. */
export function serialNumber(digest: Digest): string {
  const hex = hexOf(digest)
  const variant = (0x8 | (Number.parseInt(hex[16]!, 16) & 0x3)).toString(16)
  return `urn:uuid:${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
