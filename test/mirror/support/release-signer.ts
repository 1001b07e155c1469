import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { clearTextSigner, makeKey } from '../../../bundles/openpgp/index.ts'
import type { ReleaseSigner } from '../../../mirror/apt/signer.ts'

/** A throwaway key as `init` makes the appliance's own, with its public half in a file for `signed-by`. */
export async function releaseSigner(folder: string): Promise<ReleaseSigner & { keyFile: string }> {
  const clock = { now: () => new Date() }
  const key = await makeKey({ name: 'Drydock appliance of a test', created: clock.now() })
  const keyFile = join(folder, 'appliance.asc')
  writeFileSync(keyFile, key.public)
  return { ...(await clearTextSigner({ armored: key.secret, what: 'the test key', clock })), keyFile }
}
