import { createCleartextMessage, sign } from 'openpgp'
import type { Clock } from '../../appliance/core/clock.ts'
import type { Signer } from '../../appliance/core/signer.ts'
import { openSecretKey } from './key.ts'
import { STRICT } from './policy.ts'
import { secretKeySigner } from './signer.ts'

/** A signer that also signs in the clear (RFC 9580, section 7): apt's InRelease is such a message. @throws DD-TRUST-010, DD-TRUST-011 */
export async function clearTextSigner(input: { armored: string; passphrase?: string; what: string; clock: Clock }): Promise<Signer & { clearSign(text: string): Promise<string> }> {
  const secret = await openSecretKey(input.armored, input.passphrase, input.what)
  return {
    ...(await secretKeySigner(input)),
    clearSign: async text => await sign({ message: await createCleartextMessage({ text }), signingKeys: secret, date: input.clock.now(), config: STRICT }),
  }
}
