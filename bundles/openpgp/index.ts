export { armorSignatures, dearmorSignatures } from './armor.ts'
export { makeKey, parseKeyring, parsePublicKey, type PublicKey } from './key.ts'
export { gpgSigner, secretKeySigner } from './signer.ts'
export { signedBy, verifyDetached, type Verification, type VerifiedSignature } from './verify.ts'
