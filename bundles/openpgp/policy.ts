import { enums, type PartialConfig } from 'openpgp'

/**
 * What we accept, beyond the library's own defaults (THREATS.md lists what those let through). A configuration is handed to every
 * call: the library's global one is never touched, so that no other code can weaken it for us.
 */
export const STRICT = {
  rejectHashAlgorithms: new Set([enums.hash.md5, enums.hash.sha1, enums.hash.ripemd]),
  rejectMessageHashAlgorithms: new Set([enums.hash.md5, enums.hash.sha1, enums.hash.ripemd]),
  rejectPublicKeyAlgorithms: new Set([enums.publicKey.elgamal, enums.publicKey.dsa]),
  minRSABits: 3072,
  ignoreUnsupportedPackets: false,
  ignoreMalformedPackets: false,
  enforceGrammar: true,
  allowMissingKeyFlags: false,
  allowInsecureVerificationWithReformattedKeys: false,
  knownNotations: [],
  showVersion: false,
  showComment: false,
} satisfies PartialConfig

/** For revocations only: one made with a weak hash still says that the key must not be used. */
export const ANY_HASH = { ...STRICT, rejectHashAlgorithms: new Set<enums.hash>(), rejectMessageHashAlgorithms: new Set<enums.hash>() } satisfies PartialConfig

/** Keyrings of distributions hold packets of every age; what cannot be read is skipped, what is used must still be strong. */
export const KEYRING = { ...STRICT, ignoreUnsupportedPackets: true } satisfies PartialConfig

export const STRONG_HASHES: ReadonlySet<number> = new Set([enums.hash.sha256, enums.hash.sha384, enums.hash.sha512, enums.hash.sha3_256, enums.hash.sha3_512])

export const STRONG_ALGORITHMS: ReadonlySet<number> = new Set([
  enums.publicKey.rsaEncryptSign, enums.publicKey.rsaSign, enums.publicKey.ecdsa, enums.publicKey.eddsaLegacy, enums.publicKey.ed25519, enums.publicKey.ed448,
])
