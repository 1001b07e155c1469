import type { ErrorEntry } from './entry.ts'

export const TRUST_ERRORS = {
  'DD-TRUST-001': { exit: 3, http: 422, retryable: false, story: 'A trust file does not agree with itself: a key does not have the fingerprint or SHA-256 that names it, a role names a key that is not there, or a threshold is larger than its number of keys.' },
  'DD-TRUST-002': { exit: 3, http: 422, retryable: false, story: 'The signature file is not armored, detached OpenPGP signatures in their one canonical spelling. Text, cleartext signatures, armor headers, junk and damage all end here.' },
  'DD-TRUST-003': { exit: 3, http: 422, retryable: false, story: 'The signature is not a detached binary one (type 0x00). Text-mode signatures hold for other bytes too (line ends), so they are never taken.' },
  'DD-TRUST-004': { exit: 3, http: 422, retryable: false, story: 'The signature or its key uses something too weak: MD5, SHA-1, RIPEMD, SHA-224, DSA, ElGamal, or RSA below 3072 bits.' },
  'DD-TRUST-005': { exit: 3, http: 422, retryable: false, story: 'A trusted key is named, but the signature is not over these bytes: the bundle was damaged, or changed after it was signed.' },
  'DD-TRUST-006': { exit: 3, http: 422, retryable: false, story: 'The key has expired by the trusted time here. That the signature is dated before the end does not help: whoever has an old key can date at will.' },
  'DD-TRUST-007': { exit: 3, http: 422, retryable: false, story: 'The key is revoked. Every revocation counts, whatever its reason and date.' },
  'DD-TRUST-008': { exit: 3, http: 422, retryable: true, story: 'The signature was made in the future of the trusted time here. One of the two clocks is wrong; the signature was not judged.' },
  'DD-TRUST-009': { exit: 3, http: 422, retryable: true, story: 'The clock here shows a time before something that has provably happened, such as the newest accepted bundle. Correct the clock; no signature is judged by a wrong one.' },
  'DD-TRUST-010': { exit: 2, http: 400, retryable: false, story: 'A file that should hold an OpenPGP key does not, or holds a secret key where a public one belongs.' },
  'DD-TRUST-011': { exit: 2, http: 400, retryable: false, story: 'The secret key is protected by a passphrase, and none or a wrong one was given.' },
  'DD-TRUST-012': { exit: 3, http: 422, retryable: false, story: 'Too few different people signed. The threshold counts distinct primary keys of the role that the content needs: release for content, recall for withdrawals, root for trust.' },
  'DD-TRUST-013': { exit: 3, http: 422, retryable: false, story: 'The key may not sign now: its self-signatures are weak, its subkey has expired or is revoked, or the subkey never signed its owner back.' },
  'DD-TRUST-014': { exit: 3, http: 422, retryable: false, story: 'The signature carries an expiry of its own that has passed.' },
  'DD-TRUST-015': { exit: 1, http: 500, retryable: true, story: 'gpg was asked to sign and did not: no such key, no card, or no passphrase.' },
  'DD-TRUST-016': { exit: 2, http: 409, retryable: false, story: 'A key of this name, or a trust document, stands there already. Secret keys and version 1 of a trust are never overwritten.' },
  'DD-TRUST-017': { exit: 3, http: 409, retryable: false, story: 'A new trust must be exactly the next version of the one in force: an older one, one that skips a version, and another document of a version that was here are refused. Trust bundles are imported one after the other.' },
  'DD-TRUST-018': { exit: 3, http: 422, retryable: false, story: 'A new trust must be signed by the root keys of the trust in force and by those of the new one, each by its own threshold, so that nobody can install root keys that cannot sign. Too few of the new ones have signed.' },
  'DD-TRUST-019': { exit: 3, http: 409, retryable: false, story: 'The trust in the data folder is older than the one that was in force here, or another one: a backup was restored. Keys that were revoked since would be believed again, so no bundle is judged until the newer trust is here again or two people have said that this one is right.' },
  'DD-TRUST-020': { exit: 2, http: 409, retryable: false, story: 'A change of a trust document that cannot be made: it names a key that is not in it, or takes away so many that a threshold could never be met.' },
} as const satisfies Record<string, ErrorEntry>
