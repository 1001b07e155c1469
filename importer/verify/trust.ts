import { DrydockError } from '../../appliance/core/error.ts'
import { parsePublicKey, type PublicKey } from '../../bundles/openpgp/index.ts'
import { TRUST_ROLES, type Trust, type TrustRole } from '../../bundles/format/trust.ts'

declare const trustBrand: unique symbol
/** A trust document whose keys were all parsed and are the ones that it names. */
export type TrustedKeys = {
  readonly [trustBrand]: true
  readonly version: number
  readonly keys: readonly PublicKey[]
  nameOf(key: PublicKey): string
  role(role: TrustRole): { threshold: number; fingerprints: ReadonlySet<string> }
}

/** @throws DD-TRUST-001 when the document contradicts itself, DD-TRUST-010 when a key cannot be read */
export async function loadTrust(trust: Trust): Promise<TrustedKeys> {
  const names = new Map<string, string>()
  const keys: PublicKey[] = []
  for (const named of trust.keys) {
    const key = await parsePublicKey(named.publicKey, `trust.json (${named.name})`)
    if (key.fingerprint !== named.fingerprint) throw contradiction(`the key of ${named.name} to be ${named.fingerprint}`, key.fingerprint)
    if (key.keySha256 !== named.keySha256) throw contradiction(`the key of ${named.name} to have ${named.keySha256}`, key.keySha256)
    if (names.has(key.fingerprint)) throw contradiction('every key once', `${key.fingerprint} twice`)
    names.set(key.fingerprint, named.name)
    keys.push(key)
  }
  for (const role of TRUST_ROLES) {
    const { threshold, keys: holders } = trust.roles[role]
    const unknown = holders.find(fingerprint => !names.has(fingerprint))
    if (unknown !== undefined) throw contradiction(`the ${role} key ${unknown} among the keys`, 'none of this fingerprint')
    if (threshold > holders.length) throw contradiction(`a ${role} threshold of at most ${holders.length}, the number of its keys`, `${threshold}`)
  }
  return {
    version: trust.version,
    keys,
    nameOf: (key: PublicKey) => names.get(key.fingerprint) ?? key.fingerprint,
    role: (role: TrustRole) => ({ threshold: trust.roles[role].threshold, fingerprints: new Set(trust.roles[role].keys) }),
  } as unknown as TrustedKeys
}

function contradiction(expected: string, found: string): DrydockError {
  return new DrydockError('DD-TRUST-001', `expected ${expected}, found ${found}`, 'make the trust file again with `drydock trust new`; it is never edited by hand')
}
