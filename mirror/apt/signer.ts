import type { Signer } from '../../appliance/core/signer.ts'

/** The appliance's key as apt needs it: `sign` gives Release.gpg (detached), `clearSign` gives InRelease (RFC 9580, section 7). */
export type ReleaseSigner = Signer & { clearSign(text: string): Promise<string> }
