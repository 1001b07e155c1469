import { DrydockError } from '../../appliance/core/error.ts'
import { verifyDetached } from '../../bundles/openpgp/index.ts'
import { checkShape } from '../../bundles/format/check.ts'
import type { TrustChange } from '../../bundles/format/control.ts'
import { Trust, TRUST_ROLES } from '../../bundles/format/trust.ts'
import type { VerifiedIndex, VerifiedManifest } from '../../bundles/format/verified.ts'
import type { TrustMark } from './marks.ts'
import { loadTrust, type TrustedKeys } from './trust.ts'

export type TrustPolicy = { trust: TrustedKeys; mark: TrustMark | undefined; now: Date }

/**
 * A new trust, as TUF rotates its root (specification 5.3.4 and 5.3.5): exactly the next version, signed by a threshold of the root keys in
 * force, which verifyManifest has seen to, and by a threshold of its own root keys, so that nobody installs keys that cannot sign. Distinct
 * keys count. The manifest's signatures are over the index, which holds the document: no signature stands inside it.
 * @throws DD-IMPORT-020, DD-CORE-009, DD-TRUST-001, 010 (no trust document), 017 (version), 018 (new root keys), and those of signatures
 */
export async function judgeTrustChange(head: { manifest: Uint8Array; signatures: string }, verified: VerifiedManifest, index: VerifiedIndex, policy: TrustPolicy): Promise<{ next: Trust; change: TrustChange }> {
  const next = documentIn(index)
  const keys = await loadTrust(next)
  checkVersion(keys, policy)
  if (verified.manifest.sequence !== next.version) throw notOne(`sequence ${next.version} for trust version ${next.version}`, `${verified.manifest.sequence}`)
  const signedByNew = await newRootSigners(head, keys, policy.now)
  return { next, change: { ...changeOf(policy.trust.document, next), signedByNew } }
}

/** The document alone, not judged: after it was approved and installed. */
export function documentIn(index: Pick<VerifiedIndex, 'items'>): Trust {
  const [item, ...more] = index.items
  if (item?.kind !== 'trust' || item.name !== 'trust' || more.length > 0) throw notOne('one trust document', `${index.items.length} items`)
  if (item.blobs.length > 0) throw notOne('a trust document without files', `${item.blobs.length}`)
  const next = checkShape(Trust, item.metadata['trust'], 'the new trust')
  if (item.version !== String(next.version)) throw notOne(`trust version ${next.version}`, item.version)
  return next
}

function notOne(expected: string, found: string): DrydockError {
  return new DrydockError('DD-IMPORT-020', `expected ${expected} in a trust bundle, found ${found}`, 'make it with `drydock trust bundle`')
}

function checkVersion(next: TrustedKeys, { trust, mark }: TrustPolicy): void {
  if (next.digest === trust.digest) throw wrongVersion(`a trust after version ${trust.version}, which is in force`, 'this very one', 'nothing to do: what it brings is here')
  if (next.version <= trust.version) throw wrongVersion(`trust version ${trust.version + 1}, the next after the one in force`, `${next.version === trust.version ? 'another document of version' : 'version'} ${next.version}`, 'trust never goes back: make the next version from the one in force, with `drydock trust update`')
  if (next.version > trust.version + 1) throw wrongVersion(`trust version ${trust.version + 1}, the next after the one in force`, `version ${next.version}`, `bring the trust bundle of version ${trust.version + 1} first; each is signed by the one before it`)
  if (mark !== undefined && next.version === mark.version && next.digest !== mark.digest) throw wrongVersion(`trust version ${mark.version} as it was in force here (${mark.digest})`, `another document of that version (${next.digest})`, 'somebody has made two: find out who, before anything else is imported')
}

function wrongVersion(expected: string, found: string, hint: string): DrydockError {
  return new DrydockError('DD-TRUST-017', `expected ${expected}, found ${found}`, hint)
}

/** Only the new root role's keys are asked: a key that signs its own removal is none of them, and what it signed counts under the old trust. */
async function newRootSigners(head: { manifest: Uint8Array; signatures: string }, next: TrustedKeys, now: Date): Promise<TrustChange['signedByNew']> {
  const { threshold, fingerprints } = next.role('root')
  const { signatures } = await verifyDetached(head.manifest, head.signatures, next.keys.filter(key => fingerprints.has(key.fingerprint)), now)
  const signers = [...new Map(signatures.map(({ key }) => [key.fingerprint, key])).values()]
  if (signers.length >= threshold) return signers.map(key => ({ fingerprint: key.fingerprint, name: next.nameOf(key) }))
  const found = signers.length === 0 ? 'none' : `${signers.length} (${signers.map(key => next.nameOf(key)).join('; ')})`
  throw new DrydockError('DD-TRUST-018', `expected ${threshold} distinct signatures by root keys of trust version ${next.version} itself, found ${found}`, 'have the holders of the new root keys sign it, too: `drydock bundle sign`')
}

/** Pure: what differs, by fingerprint. */
export function changeOf(before: Trust, after: Trust): Omit<TrustChange, 'signedByNew'> {
  const names = new Map([...before.keys, ...after.keys].map(key => [key.fingerprint, key.name]))
  const holder = (fingerprint: string): { fingerprint: string; name: string } => ({ fingerprint, name: names.get(fingerprint) ?? fingerprint })
  const old = new Map(before.keys.map(key => [key.fingerprint, key]))
  const now = new Map(after.keys.map(key => [key.fingerprint, key]))
  const keys = [...new Set([...old.keys(), ...now.keys()])].flatMap((fingerprint): TrustChange['keys'] => {
    const [was, is] = [old.get(fingerprint), now.get(fingerprint)]
    if (is === undefined) return [{ ...holder(fingerprint), change: 'removed' }]
    if (is.revoked === true && was?.revoked !== true) return [{ ...holder(fingerprint), change: 'revoked' }]
    if (was === undefined) return [{ ...holder(fingerprint), change: 'added' }]
    return was.keySha256 === is.keySha256 && was.revoked === is.revoked ? [] : [{ ...holder(fingerprint), change: 'replaced' }]
  })
  const roles = TRUST_ROLES.flatMap((role): TrustChange['roles'] => {
    const [was, is] = [before.roles[role], after.roles[role]]
    const added = is.keys.filter(fingerprint => !was.keys.includes(fingerprint))
    const removed = was.keys.filter(fingerprint => !is.keys.includes(fingerprint))
    if (added.length + removed.length === 0 && was.threshold === is.threshold) return []
    return [{ role, threshold: { from: was.threshold, to: is.threshold }, added: added.map(holder), removed: removed.map(holder) }]
  })
  return { from: before.version, to: after.version, keys, roles }
}
