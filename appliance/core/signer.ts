/** Signs bytes with a key that the caller never sees. The signature is a detached, binary-mode OpenPGP one, armored. */
export interface Signer {
  /** Full upper-case hex fingerprint of the primary key. */
  readonly fingerprint: string
  /** The armored public key, for those who verify. */
  readonly publicKey: string
  sign(bytes: Uint8Array): Promise<string>
}
