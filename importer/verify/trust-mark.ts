import { DrydockError } from '../../appliance/core/error.ts'
import type { TrustMark } from './marks.ts'
import type { TrustedKeys } from './trust.ts'

/** Whether the trust in force is the newest that was in force here, or one that came back with a backup. */
export function isBehind(trust: Pick<TrustedKeys, 'version' | 'digest'>, mark: TrustMark | undefined): boolean {
  if (mark === undefined || trust.version > mark.version) return false
  return trust.version < mark.version || trust.digest !== mark.digest
}

/** @throws DD-TRUST-019 */
export function checkStanding(trust: Pick<TrustedKeys, 'version' | 'digest'>, mark: TrustMark | undefined): void {
  if (mark === undefined || !isBehind(trust, mark)) return
  const found = trust.version < mark.version ? `version ${trust.version}` : `another document of version ${trust.version} (${trust.digest})`
  throw new DrydockError(
    'DD-TRUST-019',
    `expected trust version ${mark.version} (${mark.digest}), which was in force here, found ${found} in the data folder`,
    'a backup was restored: import the trust bundles since then again, oldest first; without them two admins can accept this trust: `drydock trust accept`',
  )
}
