import { DrydockError } from '../../core/error.ts'
import { TRUST_ROLES, type TrustRole } from '../../../bundles/format/trust.ts'

/** `release=2` for each role. @throws DD-CLI-001 */
export function parseThresholds(words: readonly string[]): Map<TrustRole, number> {
  const thresholds = new Map<TrustRole, number>()
  for (const word of words) {
    const [role, number] = word.split('=')
    const known = TRUST_ROLES.find(each => each === role)
    if (known === undefined || !/^[1-9]\d?$/.test(number ?? '')) {
      throw new DrydockError('DD-CLI-001', `expected --threshold root=N, release=N or recall=N, found ${JSON.stringify(word)}`, 'for example: --threshold release=2')
    }
    thresholds.set(known, Number(number))
  }
  return thresholds
}
