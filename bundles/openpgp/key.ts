import { armor, config as libraryDefaults, decryptKey, enums, generateKey, readKeys, readPrivateKey, revokeKey, unarmor, type Config, type Key, type PrivateKey } from 'openpgp'
import { digestOf, type Digest } from '../../appliance/core/digest.ts'
import { DrydockError } from '../../appliance/core/error.ts'
import { ANY_HASH, KEYRING, STRICT } from './policy.ts'

declare const keyBrand: unique symbol
/** A public key that was parsed and matches what names it. Whether it may be used is asked again at every verification. */
export type PublicKey = {
  readonly [keyBrand]: true
  /** Upper-case hex, whole. */
  readonly fingerprint: string
  /** Of the dearmored bytes: `gpg --dearmor < KEY.pub | sha256sum` says the same. */
  readonly keySha256: Digest
  /** Those very bytes, armored: GnuPG frames packets the old way, and written anew by the library they would have another SHA-256. */
  readonly armored: string
  /** The name part of the first user id; for people only. */
  readonly name: string
  readonly created: Date
}

const parsed = new WeakMap<PublicKey, Key>()

/** The library's key behind ours; stays inside this folder. */
export function libraryKey(key: PublicKey): Key {
  return parsed.get(key)!
}

/**
 * A new Ed25519 key (the v4 form that GnuPG 2.2 reads), with one user id and no expiry: when a release key ends is the
 * trust file's decision, not a date that strands a site.
 */
export async function makeKey(input: { name: string; passphrase?: string; created: Date }): Promise<{ secret: string; public: string; fingerprint: string; revocation: string }> {
  const made = await generateKey({
    userIDs: [{ name: input.name }],
    type: 'ecc',
    curve: 'ed25519Legacy',
    subkeys: [],
    date: input.created,
    format: 'armored',
    ...(input.passphrase === undefined ? {} : { passphrase: input.passphrase }),
    config: STRICT,
  })
  const key = await parsePublicKey(made.publicKey, 'the new key')
  return { secret: made.privateKey, public: made.publicKey, fingerprint: key.fingerprint, revocation: made.revocationCertificate }
}

/** @throws DD-TRUST-010 when this is not one armored public key. */
export async function parsePublicKey(armored: string, what: string): Promise<PublicKey> {
  const fail = (cause: unknown): never => {
    throw new DrydockError('DD-TRUST-010', `expected one armored OpenPGP public key in ${what}, found something else`, 'give the .pub file that `drydock key export` wrote', { cause })
  }
  const bytes = await unarmor(armored).then(block => dearmored(block.data)).catch(fail)
  const [key, ...more] = await readKeys({ binaryKeys: bytes, config: STRICT }).catch(fail)
  if (key === undefined) return fail(undefined)
  if (more.length > 0) {
    throw new DrydockError('DD-TRUST-010', `expected one public key in ${what}, found ${more.length + 1}`, 'give each key a file of its own: gpg --armor --export FINGERPRINT > NAME.pub')
  }
  if (key.isPrivate()) {
    throw new DrydockError('DD-TRUST-010', `expected a public key in ${what}, found a secret one`, 'keep the secret key where it is; give the .pub file beside it')
  }
  return brand(key, bytes)
}

/** The library always hands out a stream here, whatever it was given. */
async function dearmored(data: unknown): Promise<Uint8Array> {
  if (data instanceof Uint8Array) return data
  return new Uint8Array(await new Response(data as ReadableStream<Uint8Array>).arrayBuffer())
}

/** Every key of a keyring of a distribution, armored or binary. @throws DD-TRUST-010 */
export async function parseKeyring(keyring: Uint8Array | string): Promise<PublicKey[]> {
  const reading = typeof keyring === 'string' ? readKeys({ armoredKeys: keyring, config: KEYRING }) : readKeys({ binaryKeys: keyring, config: KEYRING })
  const keys = await reading.catch((cause: unknown) => {
    throw new DrydockError('DD-TRUST-010', 'expected a keyring of OpenPGP public keys, found something else', 'check the signed-by file of this source', { cause })
  })
  return keys.map(key => brand(key, key.write()))
}

/** @throws DD-TRUST-010 when this is not a secret key, DD-TRUST-011 when the passphrase does not open it. */
export async function openSecretKey(armored: string, passphrase: string | undefined, what: string): Promise<PrivateKey> {
  const key = await readPrivateKey({ armoredKey: armored, config: STRICT }).catch((cause: unknown) => {
    throw new DrydockError('DD-TRUST-010', `expected an armored OpenPGP secret key in ${what}, found something else`, 'give the .key file that `drydock key new` wrote', { cause })
  })
  if (key.isDecrypted()) return key
  if (passphrase === undefined) {
    throw new DrydockError('DD-TRUST-011', `expected a passphrase for ${what}, found none`, 'add --passphrase-file FILE')
  }
  return await decryptKey({ privateKey: key, passphrase, config: STRICT }).catch((cause: unknown) => {
    throw new DrydockError('DD-TRUST-011', `expected the passphrase of ${what}, found another`, 'check --passphrase-file; the file holds the passphrase in one line', { cause })
  })
}

/** Revoked in any way, at any time, for any reason; a revocation may itself be weakly hashed. */
export async function isRevoked(key: Key): Promise<boolean> {
  for (const date of [new Date(8.64e15), undefined]) {
    if (await key.isRevoked(undefined, undefined, date, fullConfig(ANY_HASH))) return true
  }
  return false
}

/** For people: whether the key's own packets revoke it, and when it ends by them. */
export async function keyState(key: PublicKey): Promise<{ revoked: boolean; ends: Date | undefined }> {
  const ends = await libraryKey(key).getExpirationTime(undefined, fullConfig(STRICT))
  return { revoked: await isRevoked(libraryKey(key)), ends: ends instanceof Date ? ends : undefined }
}

/** @throws DD-TRUST-010 when the certificate is not one of this key. @returns the public key with its revocation inside, armored. */
export async function withRevocation(key: PublicKey, certificate: string): Promise<string> {
  try {
    const { publicKey } = await revokeKey({ key: libraryKey(key), revocationCertificate: certificate, format: 'armored', config: STRICT })
    return publicKey
  } catch (cause) {
    throw new DrydockError('DD-TRUST-010', `expected a revocation certificate of ${key.name} (${key.fingerprint}), found something else`, 'give the .rev file that `drydock key new` wrote beside this key, or what `gpg --gen-revoke` made', { cause })
  }
}

/** The library wants whole configurations below its top-level functions. */
export function fullConfig<C extends object>(partial: C): Config {
  return { ...libraryDefaults, ...partial }
}

function brand(key: Key, bytes: Uint8Array): PublicKey {
  const ours = {
    fingerprint: key.getFingerprint().toUpperCase(),
    keySha256: digestOf(bytes),
    armored: armor(enums.armor.publicKey, bytes, undefined, undefined, undefined, key.keyPacket.version !== 6, fullConfig(STRICT)),
    name: (key.users[0]?.userID?.name || key.getUserIDs()[0] || key.getKeyID().toHex()).slice(0, 128),
    created: key.getCreationTime(),
  } as PublicKey
  parsed.set(ours, key)
  return ours
}
