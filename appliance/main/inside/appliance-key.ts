import { join } from 'node:path'
import type { Clock } from '../../core/clock.ts'
import { writeDurably } from '../../core/durable-file.ts'
import { DrydockError } from '../../core/error.ts'
import type { Signer } from '../../core/signer.ts'
import type { Secrets } from '../../state/secrets.ts'
import { clearTextSigner, makeKey } from '../../../bundles/openpgp/index.ts'

const SECRET = 'signing-key'

/** Signs detached, and in the clear for apt. */
export type ApplianceSigner = Signer & { clearSign(text: string): Promise<string> }

/** The public half, beside the CA: what receipts, audit heads and the apt mirror are verified with. */
export function publicKeyFile(pki: string): string {
  return join(pki, 'appliance.pub')
}

/** The appliance's own signing key: receipts, audit heads, the apt mirror. Made once, by `init`. */
export async function createApplianceKey(options: { secrets: Secrets; pki: string; siteId: string; applianceId: string; clock: Clock }): Promise<ApplianceSigner> {
  const key = await makeKey({ name: `Drydock appliance ${options.siteId} ${options.applianceId.slice(-12)}`, created: options.clock.now() })
  await options.secrets.put(SECRET, key.secret)
  await writeDurably(publicKeyFile(options.pki), key.public, { mode: 0o644 })
  return await openApplianceKey(options.secrets, options.clock)
}

/** @throws DD-STATE-009 when the secret is not there or does not open. */
export async function openApplianceKey(secrets: Secrets, clock: Clock): Promise<ApplianceSigner> {
  const armored = await secrets.get(SECRET)
  if (armored === undefined) throw new DrydockError('DD-STATE-009', 'expected the appliance\'s signing key in secrets/, found none', 'restore secrets/ from a backup of this appliance')
  return await clearTextSigner({ armored, what: 'the appliance\'s signing key', clock })
}
