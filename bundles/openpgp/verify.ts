import { createMessage, enums, PacketList, readSignature, Signature, verify, type Key, type SignaturePacket } from 'openpgp'
import { DrydockError } from '../../appliance/core/error.ts'
import { dearmorSignatures } from './armor.ts'
import { fullConfig, isRevoked, libraryKey, type PublicKey } from './key.ts'
import { signatureBodies } from './packets.ts'
import { STRICT, STRONG_ALGORITHMS, STRONG_HASHES } from './policy.ts'

/** Subpacket types of RFC 9580, 5.2.3.12 and 5.2.3.35. */
const ISSUER_KEY_ID = 16
const ISSUER_FINGERPRINT = 33

/** One good signature. Two of them by one primary key are one person. */
export type VerifiedSignature = { key: PublicKey; made: Date }

export type Verification = {
  /** In the order of the file; one key may stand in it twice. */
  signatures: VerifiedSignature[]
  /** Key ids (16 hex digits) of signatures by keys that nobody here trusts: ignored, but named. */
  unknown: string[]
}

/**
 * Verifies detached, binary-mode signatures over exactly these bytes, by the policy of THREATS.md.
 * A signature that names a trusted key and does not hold is fatal, whatever the others say.
 * @param at the trusted time. Keys must be valid now, not only when they signed: whoever stole an expired key can date at will.
 * @throws DD-TRUST-002 (not signatures), 003 (mode), 004 (weak), 005 (wrong), 006 (expired), 007 (revoked), 008 (future), 013 (unusable key)
 */
export async function verifyDetached(bytes: Uint8Array, armored: string, keys: readonly PublicKey[], at: Date): Promise<Verification> {
  const verification: Verification = { signatures: [], unknown: [] }
  for (const block of dearmorSignatures(armored)) {
    for (const packet of await parsePackets(block)) {
      const key = keys.find(candidate => libraryKey(candidate).getKeys(packet.issuerKeyID).length > 0)
      if (key === undefined) {
        verification.unknown.push(packet.issuerKeyID.toHex().toUpperCase())
        continue
      }
      verification.signatures.push({ key, made: await checkSignature(bytes, packet, key, at) })
    }
  }
  return verification
}

/** Whether one of these signatures names this key (or a subkey of it) as its issuer; nothing is verified. */
export async function signedBy(blocks: readonly Uint8Array[], key: PublicKey): Promise<boolean> {
  for (const block of blocks) {
    for (const packet of await parsePackets(block)) if (libraryKey(key).getKeys(packet.issuerKeyID).length > 0) return true
  }
  return false
}

/** Key ids (16 hex digits) that a signature file names; nothing is verified. Empty text has none. @throws DD-TRUST-002 */
export async function signatureIssuers(armored: string): Promise<string[]> {
  if (armored === '') return []
  const packets = await Promise.all(dearmorSignatures(armored).map(parsePackets))
  return packets.flat().map(packet => packet.issuerKeyID.toHex().toUpperCase())
}

async function parsePackets(block: Uint8Array): Promise<SignaturePacket[]> {
  const bodies = signatureBodies(block)
  const signature = await readSignature({ binarySignature: block, config: STRICT }).catch((cause: unknown) => {
    throw new DrydockError('DD-TRUST-002', 'expected OpenPGP signature packets, found other bytes', 'the signature file is damaged or not one; fetch it again', { cause })
  })
  // What the library would write differently (bit counts of integers, lengths inside, junk) is not covered by the signature: one spelling only.
  const same = signature.packets.length === bodies.length && signature.packets.every((packet, k) => Buffer.compare(bodyOf(packet), bodies[k]!) === 0)
  if (!same) {
    throw new DrydockError('DD-TRUST-002', 'expected signature packets in their canonical form, found another spelling', 'sign again with `drydock bundle sign`')
  }
  return [...signature.packets]
}

function bodyOf(packet: SignaturePacket): Uint8Array {
  const list = new PacketList<SignaturePacket>()
  list.push(packet)
  return signatureBodies(list.write())[0]!
}

/** The checks, in order; each has its own code. @returns when the signature was made. */
async function checkSignature(bytes: Uint8Array, packet: SignaturePacket, trusted: PublicKey, at: Date): Promise<Date> {
  const key = libraryKey(trusted)
  checkMode(packet, trusted)
  checkStrength(packet, key, trusted)
  checkUnhashed(packet, trusted)
  checkNotFuture(packet, trusted, at)
  await checkKeyNow(key, packet, trusted, at)
  await checkBytes(bytes, packet, key, trusted, at)
  return packet.created!
}

function checkMode(packet: SignaturePacket, by: PublicKey): void {
  if (packet.signatureType === enums.signature.binary) return
  throw new DrydockError('DD-TRUST-003', `expected a detached binary signature (type 0x00) by ${by.name}, found type 0x${(packet.signatureType ?? 255).toString(16).padStart(2, '0')}`, 'sign with `gpg --detach-sign` and without --textmode, or with `drydock bundle sign`')
}

function checkStrength(packet: SignaturePacket, key: Key, by: PublicKey): void {
  const weak = (what: string): DrydockError =>
    new DrydockError('DD-TRUST-004', `expected SHA-256 or stronger by an Ed25519, ECDSA (P-256, P-384, P-521) or RSA ≥ 3072 key, found ${what} by ${by.name}`, 'have a strong key sign; `drydock key new` makes one')
  if (!STRONG_HASHES.has(packet.hashAlgorithm ?? 0)) throw weak(`hash algorithm ${packet.hashAlgorithm}`)
  for (const part of [key, ...key.getKeys(packet.issuerKeyID)]) {
    const { algorithm, bits, curve } = part.getAlgorithmInfo()
    if (!STRONG_ALGORITHMS.has(part.keyPacket.algorithm)) throw weak(algorithm)
    if (algorithm.startsWith('rsa') && (bits ?? 0) < STRICT.minRSABits) throw weak(`RSA ${bits}`)
    if (curve?.startsWith('brainpool') === true || curve === 'secp256k1') throw weak(`the curve ${curve}`)
  }
}

/** The unhashed area is not signed. Only the issuer, which must be true, may stand in it: nothing can be smuggled or changed there. */
function checkUnhashed(packet: SignaturePacket, by: PublicKey): void {
  const signingKey = libraryKey(by).getKeys(packet.issuerKeyID)[0]!
  const allowed = new Map([
    [ISSUER_KEY_ID, signingKey.getKeyID().toHex()],
    [ISSUER_FINGERPRINT, `0${signingKey.keyPacket.version}${signingKey.getFingerprint()}`],
  ])
  for (const { type, body } of packet.unhashedSubpackets) {
    if (allowed.get(type) === Buffer.from(body).toString('hex')) continue
    throw new DrydockError('DD-TRUST-002', `expected only the issuer in the unsigned part of the signature by ${by.name}, found subpacket ${type}`, 'sign again with `drydock bundle sign`')
  }
}

function checkNotFuture(packet: SignaturePacket, by: PublicKey, at: Date): void {
  if (packet.created !== null && packet.created <= at) return
  throw new DrydockError('DD-TRUST-008', `expected a signature made before now (${at.toISOString()} here), found one by ${by.name} made ${packet.created?.toISOString() ?? 'at no time'}`, 'compare both clocks: the one here or the signer\'s is wrong; the signature itself was not judged')
}

async function checkKeyNow(key: Key, packet: SignaturePacket, by: PublicKey, at: Date): Promise<void> {
  if (await isRevoked(key)) {
    throw new DrydockError('DD-TRUST-007', `expected a key that is in force, found the revoked key of ${by.name} (${by.fingerprint})`, 'have another holder sign, and take the key out of trust.json')
  }
  const ends = await key.getExpirationTime(undefined, fullConfig(STRICT))
  if (ends instanceof Date && ends <= at) {
    throw new DrydockError('DD-TRUST-006', `expected a key that is valid now (${at.toISOString()} here), found the key of ${by.name} that ended ${ends.toISOString()}`, 'have a holder of a valid key sign; if the time shown is wrong, correct the clock')
  }
  const signing = await key.getSigningKey(packet.issuerKeyID, at, undefined, fullConfig(STRICT)).catch((cause: unknown) => {
    throw new DrydockError('DD-TRUST-013', `expected a key of ${by.name} that may sign now, found one whose self-signatures do not allow it`, 'weak (SHA-1) self-signatures, an expired or revoked subkey, or a subkey that its owner never signed back: have a sound key sign', { cause })
  })
  if (!signing.getKeyID().equals(packet.issuerKeyID)) {
    throw new DrydockError('DD-TRUST-013', `expected the signing key ${packet.issuerKeyID.toHex()} of ${by.name} to be usable, found it is not`, 'have a sound key sign')
  }
}

async function checkBytes(bytes: Uint8Array, packet: SignaturePacket, key: Key, by: PublicKey, at: Date): Promise<void> {
  const alone = new PacketList<SignaturePacket>()
  alone.push(packet)
  try {
    const result = await verify({ message: await createMessage({ binary: bytes }), signature: new Signature(alone), verificationKeys: [key], date: at, format: 'binary', config: STRICT })
    if (result.signatures.length !== 1) throw notOver(by)
    await result.signatures[0]!.verified
  } catch (cause) {
    if (packet.isExpired(at)) {
      throw new DrydockError('DD-TRUST-014', `expected a signature that is valid now (${at.toISOString()} here), found one by ${by.name} that has expired`, 'sign again, without an expiry', { cause })
    }
    throw notOver(by, cause)
  }
}

function notOver(by: PublicKey, cause?: unknown): DrydockError {
  return new DrydockError('DD-TRUST-005', `expected the signature by ${by.name} to be over these bytes, found that it is not`, 'the bundle was damaged or changed after it was signed: fetch it again from where it was built', cause === undefined ? {} : { cause })
}
