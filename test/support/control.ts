import type { Signer } from '../../appliance/core/signer.ts'
import type { Built } from '../../bundles/build/index.ts'
import type { Item } from '../../bundles/format/item.ts'
import type { Recall } from '../../bundles/format/recall.ts'
import type { Trust, TrustRole } from '../../bundles/format/trust.ts'
import { bundleOf, type BundleSpec, type Person } from './bundles.ts'

/** A trust document from people: who stands in which role, and how many of them must sign. */
export function trustFor(version: number, roles: Record<TrustRole, readonly Person[]>, thresholds: Partial<Record<TrustRole, number>> = {}, revoked: readonly Person[] = []): Trust {
  const people = [...new Map([...Object.values(roles).flat(), ...revoked].map(person => [person.key.fingerprint, person])).values()]
  const role = (name: TrustRole): Trust['roles'][TrustRole] => ({ threshold: thresholds[name] ?? 1, keys: roles[name].map(({ key }) => key.fingerprint) })
  return {
    version,
    keys: people.map(person => ({ fingerprint: person.key.fingerprint, keySha256: person.key.keySha256, publicKey: person.public, name: person.name, ...(revoked.includes(person) ? { revoked: true as const } : {}) })),
    roles: { root: role('root'), release: role('release'), recall: role('recall') },
  }
}

export function trustItem(trust: Trust): Item {
  return { kind: 'trust', name: 'trust', version: String(trust.version), metadata: { trust }, blobs: [], source: `pkg:generic/trust@${trust.version}` }
}

export function recallItem(recall: Recall): Item {
  return { kind: 'recall', name: recall.id, version: recall.date, metadata: { recall }, blobs: [], source: `pkg:generic/recall-${recall.id}` }
}

export function recallOf(change: Partial<Recall> & Pick<Recall, 'id'>): Recall {
  return { action: 'recall', reason: 'it steals keys', severity: 'critical', date: '2026-11-21T08:00:00Z', digests: [], items: [], ...change }
}

/** As `drydock trust bundle` makes it. */
export async function trustBundle(folder: string, trust: Trust, signers: readonly Signer[], change: Partial<BundleSpec> = {}): Promise<Built> {
  return await bundleOf({ folder, items: [trustItem(trust)], signers, stream: 'trust', workspace: 'trust', name: 'trust', site: '*', sequence: trust.version, ...change })
}

/** As `drydock recall bundle` makes it. */
export async function recallBundle(folder: string, recalls: readonly Recall[], signers: readonly Signer[], sequence = 1, change: Partial<BundleSpec> = {}): Promise<Built> {
  return await bundleOf({ folder, items: recalls.map(recallItem), signers, stream: 'recall', workspace: 'recalls-1', name: 'recall', site: '*', sequence, ...change })
}
