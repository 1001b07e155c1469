import { digestOf, type Digest } from '../../appliance/core/digest.ts'
import { DrydockError } from '../../appliance/core/error.ts'
import { canonicalJson } from '../../bundles/format/canonical-json.ts'
import { parsePublicKey, type PublicKey } from '../../bundles/openpgp/index.ts'
import { TRUST_ROLES, type Trust, type TrustRole } from '../../bundles/format/trust.ts'

declare const trustBrand: unique symbol
/** A trust document whose keys were all parsed and are the ones that it names. */
export type TrustedKeys = {
  readonly [trustBrand]: true
  readonly document: Trust
  readonly version: number
  /** SHA-256 of its canonical JSON: what tells two documents of one version apart. */
  readonly digest: Digest
  readonly keys: readonly PublicKey[]
  nameOf(key: PublicKey): string
  /** Said by the document itself; what the key's own packets say is asked at every verification. */
  isRevoked(key: PublicKey): boolean
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
    const revoked = holders.find(fingerprint => trust.keys.some(key => key.revoked === true && key.fingerprint === fingerprint))
    if (revoked !== undefined) throw contradiction(`no revoked key in the role ${role}`, revoked)
    const unknown = holders.find(fingerprint => !names.has(fingerprint))
    if (unknown !== undefined) throw contradiction(`the ${role} key ${unknown} among the keys`, 'none of this fingerprint')
    if (threshold > holders.length) throw contradiction(`a ${role} threshold of at most ${holders.length}, the number of its keys`, `${threshold}`)
  }
  return {
    document: trust,
    version: trust.version,
    digest: digestOf(canonicalJson(trust)),
    keys,
    nameOf: (key: PublicKey) => names.get(key.fingerprint) ?? key.fingerprint,
    isRevoked: (key: PublicKey) => trust.keys.some(({ fingerprint, revoked }) => revoked === true && fingerprint === key.fingerprint),
    role: (role: TrustRole) => ({ threshold: trust.roles[role].threshold, fingerprints: new Set(trust.roles[role].keys) }),
  } as unknown as TrustedKeys
}

function contradiction(expected: string, found: string): DrydockError {
  return new DrydockError('DD-TRUST-001', `expected ${expected}, found ${found}`, 'make the trust file again with `drydock trust new` (thresholds: --threshold ROLE=N, at most the keys of the role); it is never edited by hand')
}
