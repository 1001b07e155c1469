import forge from 'node-forge'

/** ASN.1 DER (X.690) as certificates need it, over node-forge's encoder. Bytes in and out are Buffers; forge wants binary strings. */
const { asn1 } = forge
export type Asn1 = forge.asn1.Asn1
const { Class, Type } = asn1

const binary = (bytes: Uint8Array) => Buffer.from(bytes).toString('binary')
const primitive = (type: forge.asn1.Type, bytes: Uint8Array) => asn1.create(Class.UNIVERSAL, type, false, binary(bytes))

export const sequence = (...parts: Asn1[]): Asn1 => asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, parts)
export const set = (...parts: Asn1[]): Asn1 => asn1.create(Class.UNIVERSAL, Type.SET, true, parts)
export const oid = (text: string): Asn1 => asn1.create(Class.UNIVERSAL, Type.OID, false, asn1.oidToDer(text).getBytes())
export const utf8 = (text: string): Asn1 => primitive(Type.UTF8, Buffer.from(text))
export const octets = (bytes: Uint8Array): Asn1 => primitive(Type.OCTETSTRING, bytes)
export const truth = (): Asn1 => primitive(Type.BOOLEAN, Buffer.of(0xff))
/** Unsigned: a leading zero keeps a high first bit from meaning a negative number. */
export const unsigned = (bytes: Uint8Array): Asn1 => primitive(Type.INTEGER, (bytes[0] ?? 0) & 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes)
export const bits = (bytes: Uint8Array, unused = 0): Asn1 => primitive(Type.BITSTRING, Buffer.concat([Buffer.of(unused), bytes]))
/** `[n] EXPLICIT` */
export const tagged = (tag: number, part: Asn1): Asn1 => asn1.create(Class.CONTEXT_SPECIFIC, tag, true, [part])
/** `[n] IMPLICIT` of a primitive. */
export const implicit = (tag: number, bytes: Uint8Array): Asn1 => asn1.create(Class.CONTEXT_SPECIFIC, tag, false, binary(bytes))

/** RFC 5280, 4.1.2.5: UTCTime through 2049, GeneralizedTime after. */
export function time(at: Date): Asn1 {
  const text = at.toISOString().replaceAll(/[-:T]|\.\d+/g, '')
  const late = at.getUTCFullYear() >= 2050
  return primitive(late ? Type.GENERALIZEDTIME : Type.UTCTIME, Buffer.from(late ? text : text.slice(2)))
}

/** A bit string that happens to hold DER (a signature, an RSA key) stays the bytes it is. (The types know only the older boolean.) */
const STRICT: unknown = { strict: true, parseAllBytes: true, decodeBitStrings: false }

export const encode = (value: Asn1): Buffer => Buffer.from(asn1.toDer(value).getBytes(), 'binary')
export const decode = (bytes: Uint8Array): Asn1 => asn1.fromDer(forge.util.createBuffer(binary(bytes)), STRICT as boolean)

/** The parts of a constructed value; undefined for a primitive one. */
export const partsOf = (value: Asn1 | undefined): Asn1[] | undefined => (value !== undefined && Array.isArray(value.value) ? value.value : undefined)
/** The content bytes of a primitive value; undefined for a constructed one. */
export const bytesOf = (value: Asn1 | undefined): Buffer | undefined => (value !== undefined && typeof value.value === 'string' ? Buffer.from(value.value, 'binary') : undefined)
export const oidOf = (value: Asn1 | undefined): string | undefined => (value !== undefined && typeof value.value === 'string' ? asn1.derToOid(forge.util.createBuffer(value.value)) : undefined)

export function pem(label: string, der: Uint8Array): string {
  const lines = Buffer.from(der).toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}

/** @returns undefined when the text is not one PEM block of this label. */
export function fromPem(label: string, text: string): Buffer | undefined {
  const body = new RegExp(`^\\s*-----BEGIN ${label}-----\\s([A-Za-z0-9+/=\\s]+)-----END ${label}-----\\s*$`).exec(text)?.[1]
  return body === undefined ? undefined : Buffer.from(body, 'base64')
}
