import { createHash, createPublicKey, randomBytes, sign, verify, type KeyObject } from 'node:crypto'
import { isIP } from 'node:net'
import { DrydockError } from '../core/error.ts'
import { bits, bytesOf, decode, encode, fromPem, implicit, octets, oid, oidOf, partsOf, pem, sequence, set, tagged, time, truth, unsigned, utf8, type Asn1 } from './der.ts'

/** X.509 v3 certificates (RFC 5280) on P-256 keys. node-forge makes certificates with RSA keys only, so it lends its DER and Node signs. */
const ECDSA_SHA256 = '1.2.840.10045.4.3.2'
const REQUEST_SIGNATURES: Record<string, string> = { [ECDSA_SHA256]: 'sha256', '1.2.840.10045.4.3.3': 'sha384', '1.2.840.113549.1.1.11': 'sha256' }
/** The most of a certificate request that is read. */
const REQUEST_BYTES = 16 * 1024

export type Use = 'ca' | 'server' | 'node'
export type Issue = {
  use: Use
  commonName: string
  /** Host names and addresses; for `server` only. */
  names?: readonly string[]
  publicKey: KeyObject
  notBefore: Date
  notAfter: Date
  /** Who signs; absent: the certificate signs itself with `signingKey`. */
  issuer?: { name: string; publicKey: KeyObject }
  signingKey: KeyObject
}

/** @returns the certificate as PEM. */
export function issueCertificate(issue: Issue): string {
  const algorithm = sequence(oid(ECDSA_SHA256))
  const serial = randomBytes(16)
  serial[0] = 0x40 | (serial[0]! & 0x3f)
  const body = sequence(
    tagged(0, unsigned(Buffer.of(2))),
    unsigned(serial),
    algorithm,
    distinguishedName(issue.issuer?.name ?? issue.commonName),
    sequence(time(issue.notBefore), time(issue.notAfter)),
    distinguishedName(issue.commonName),
    decode(spki(issue.publicKey)),
    tagged(3, sequence(...extensions(issue))),
  )
  const signature = sign('sha256', encode(body), { key: issue.signingKey, dsaEncoding: 'der' })
  return pem('CERTIFICATE', encode(sequence(body, algorithm, bits(signature))))
}

function extensions(issue: Issue): Asn1[] {
  const ca = issue.use === 'ca'
  const all = [
    extension('2.5.29.19', true, ca ? sequence(truth(), unsigned(Buffer.of(0))) : sequence()),
    // keyCertSign and cRLSign for the CA, digitalSignature for the others.
    extension('2.5.29.15', true, ca ? bits(Buffer.of(0x06), 1) : bits(Buffer.of(0x80), 7)),
    extension('2.5.29.14', false, octets(keyId(issue.publicKey))),
    extension('2.5.29.35', false, sequence(implicit(0, keyId(issue.issuer?.publicKey ?? issue.publicKey)))),
  ]
  if (issue.use === 'server') all.push(extension('2.5.29.37', false, sequence(oid('1.3.6.1.5.5.7.3.1'))))
  if (issue.use === 'node') all.push(extension('2.5.29.37', false, sequence(oid('1.3.6.1.5.5.7.3.2'))))
  if (issue.names !== undefined) {
    all.push(extension('2.5.29.17', false, sequence(...issue.names.map(name => (isIP(name) === 0 ? implicit(2, Buffer.from(name, 'latin1')) : implicit(7, addressBytes(name)))))))
  }
  return all
}

const extension = (id: string, critical: boolean, value: Asn1) => sequence(oid(id), ...(critical ? [truth()] : []), octets(encode(value)))
const distinguishedName = (name: string) => sequence(set(sequence(oid('2.5.4.10'), utf8('Drydock'))), set(sequence(oid('2.5.4.3'), utf8(name))))
const spki = (key: KeyObject) => key.export({ format: 'der', type: 'spki' })
/** RFC 7093, method 1: the left 160 bits of the SHA-256 of the key. */
const keyId = (key: KeyObject) => createHash('sha256').update(bytesOf(partsOf(decode(spki(key)))?.[1])?.subarray(1) ?? '').digest().subarray(0, 20)

function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number))
  // The URL parser spells every IPv6 address in hex groups, embedded IPv4 too.
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::')
  const groups = (text: string) => text.split(':').filter(Boolean).map(group => Number.parseInt(group, 16))
  const first = groups(head)
  const last = groups(tail ?? '')
  const all = [...first, ...Array.from({ length: 8 - first.length - last.length }, () => 0), ...last]
  return Buffer.from(all.flatMap(group => [group >> 8, group & 0xff]))
}

/**
 * The public key of a PKCS #10 request (RFC 2986) after its own signature was verified: whoever asks holds the private key.
 * Subject and wished-for extensions are not read; the one who signs decides them.
 * @throws DD-IDENT-010
 */
export function keyOfRequest(csrPem: string): KeyObject {
  const bad = (found: string, cause?: unknown) =>
    new DrydockError('DD-IDENT-010', `expected a certificate request signed by its own P-256, P-384 or RSA (2048 bits or more) key, found ${found}`, 'make it with: openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256', { cause })
  if (csrPem.length > REQUEST_BYTES) throw bad(`${csrPem.length} bytes; at most ${REQUEST_BYTES} are read`)
  const der = fromPem('CERTIFICATE REQUEST', csrPem)
  if (der === undefined) throw bad('no PEM block CERTIFICATE REQUEST')
  let key: KeyObject
  let genuine: boolean
  try {
    const [info, algorithm, signature] = partsOf(decode(der)) ?? []
    const publicKey = partsOf(info)?.[2]
    const hash = REQUEST_SIGNATURES[oidOf(partsOf(algorithm)?.[0]) ?? '']
    if (info === undefined || publicKey === undefined || hash === undefined) throw bad('a request of another form')
    key = createPublicKey({ key: encode(publicKey), format: 'der', type: 'spki' })
    genuine = verify(hash, encode(info), { key, dsaEncoding: 'der' }, bytesOf(signature)?.subarray(1) ?? Buffer.alloc(0))
  } catch (cause) {
    throw cause instanceof DrydockError ? cause : bad('bytes that are no such request', cause)
  }
  const details = key.asymmetricKeyDetails
  const strong = key.asymmetricKeyType === 'ec' ? ['prime256v1', 'secp384r1'].includes(details?.namedCurve ?? '') : key.asymmetricKeyType === 'rsa' && (details?.modulusLength ?? 0) >= 2048
  if (!strong) throw bad(`a key of type ${key.asymmetricKeyType} ${details?.namedCurve ?? details?.modulusLength ?? ''}`.trim())
  if (!genuine) throw bad('a signature of another key')
  return key
}
