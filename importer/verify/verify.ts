import { digestOf } from '../../appliance/core/digest.ts'
import { DrydockError } from '../../appliance/core/error.ts'
import { verifyDetached, type Verification } from '../../bundles/openpgp/index.ts'
import { CONTROL_KINDS, controlOf } from '../../bundles/format/control.ts'
import type { Manifest } from '../../bundles/format/manifest.ts'
import { parseManifest, rolesNeeded } from '../../bundles/format/manifest-file.ts'
import type { TrustRole } from '../../bundles/format/trust.ts'
import type { VerifiedManifest } from '../../bundles/format/verified.ts'
import type Type from 'typebox'
import type { Signer } from '../../bundles/format/import-record.ts'
import type { Marks } from './marks.ts'
import { judgeSequence } from './sequence.ts'
import type { TrustedKeys } from './trust.ts'
import { checkStanding } from './trust-mark.ts'

/** What the machine's clock says, and the least it may say. */
export type WrongClock = { wall: Date; floor: Date }

export type VerifyPolicy = {
  trust: TrustedKeys
  /** The trusted time. */
  now: Date
  /** The machine's clock, while it is behind what this appliance has seen; nothing is judged then. */
  wrongClock?: WrongClock | null
  /** This appliance's site; undefined on the connected side, where any site is looked at. */
  site?: string
  /** undefined on the connected side: nothing is known of what came before. */
  marks?: Marks
}

/**
 * The checks in order, each with its own code. What is verified and what is parsed are the same bytes of one read.
 * @param head manifest.json and manifest.json.asc, as the first two entries of a volume hold them
 * @throws DD-TRUST-002…014, 019, DD-BUNDLE-009, 011, DD-CORE-009, DD-IMPORT-001, 003, 004, 005, 020
 */
export async function verifyManifest(head: { manifest: Uint8Array; signatures: string }, policy: VerifyPolicy): Promise<VerifiedManifest> {
  checkClock(policy)
  const verification = await verifySignatures(head, policy)
  if (verification.signatures.length === 0) throw tooFew('release', policy.trust.role('release').threshold, verification, policy.trust)
  const manifest = parseManifest(head.manifest)
  const control = checkControl(manifest)
  // A newer trust is what mends an older one that came back with a backup; nothing else is judged by that.
  if (control !== 'trust') checkStanding(policy.trust, policy.marks?.trust())
  const roles = rolesNeeded(manifest).map(role => checkThreshold(role, verification, policy.trust))
  checkSite(manifest, policy.site)
  const digest = digestOf(head.manifest)
  // Trust counts its own versions, one by one: see judgeTrustChange.
  const sequence = control === 'trust' ? { last: policy.trust.version, jump: null } : judgeSequence(manifest, digest, policy.marks?.get(manifest.stream))
  const strictest = roles[0]!
  return { manifest, digest, signers: signersOf(verification, policy.trust, strictest.role), role: strictest.role, threshold: strictest.threshold, sequence } as unknown as VerifiedManifest
}

function checkClock({ wrongClock }: VerifyPolicy): void {
  if (wrongClock === undefined || wrongClock === null) return
  throw new DrydockError('DD-TRUST-009', `expected a clock at or after ${wrongClock.floor.toISOString()}, which this appliance has seen already, found ${wrongClock.wall.toISOString()}`, 'correct the clock of this machine; when it is right, two admins set the floor back with `drydock clock reset`; no signature was judged by the wrong one')
}

async function verifySignatures(head: { manifest: Uint8Array; signatures: string }, policy: VerifyPolicy): Promise<Verification> {
  if (head.signatures === '') return { signatures: [], unknown: [] }
  const verification = await verifyDetached(head.manifest, head.signatures, policy.trust.keys, policy.now)
  const revoked = verification.signatures.find(({ key }) => policy.trust.isRevoked(key))
  if (revoked === undefined) return verification
  throw new DrydockError('DD-TRUST-007', `expected a key that is in force, found the key of ${policy.trust.nameOf(revoked.key)} (${revoked.key.fingerprint}), which the trust in force says is revoked`, 'have it built and signed anew by holders of keys in force')
}

/** What changes trust or withdraws travels alone, on a stream that nothing else may use. */
function checkControl(manifest: Manifest): ReturnType<typeof controlOf> {
  const control = controlOf(manifest)
  const reserved = CONTROL_KINDS.find(kind => kind === manifest.stream)
  if (control !== 'mixed' && control === (reserved ?? null)) return control
  const holds = Object.keys(manifest.totals.items).join(', ') || 'nothing'
  throw new DrydockError('DD-IMPORT-020', `expected trust and recalls each alone, on the stream of that name, found ${holds} on stream ${manifest.stream}`, 'make them with `drydock trust bundle` or `drydock recall bundle`, and content on a stream of another name')
}

function checkThreshold(role: TrustRole, verification: Verification, trust: TrustedKeys): { role: TrustRole; threshold: number } {
  const { threshold, fingerprints } = trust.role(role)
  const distinct = new Set(verification.signatures.map(({ key }) => key.fingerprint).filter(fingerprint => fingerprints.has(fingerprint)))
  if (distinct.size < threshold) throw tooFew(role, threshold, verification, trust)
  return { role, threshold }
}

/** `found 1 (Ana Ruiz, twice)` */
function tooFew(role: TrustRole, threshold: number, verification: Verification, trust: TrustedKeys): DrydockError {
  const { fingerprints } = trust.role(role)
  const times = new Map<string, number>()
  for (const { key } of verification.signatures) {
    if (fingerprints.has(key.fingerprint)) times.set(trust.nameOf(key), (times.get(trust.nameOf(key)) ?? 0) + 1)
  }
  const names = [...times].map(([name, count]) => (count === 1 ? name : `${name}, ${count === 2 ? 'twice' : `${count} times`}`))
  const strangers = verification.unknown.length === 0 ? '' : ` and ${verification.unknown.length} by keys that are not trusted (${[...new Set(verification.unknown)].join(', ')})`
  const found = names.length === 0 ? `none${strangers}` : `${names.length} (${names.join('; ')})${strangers}`
  const wanted = threshold === 1 ? `1 ${role} signature` : `${threshold} distinct ${role} signatures`
  const who = names.length > 0 ? `another ${role} key holder` : threshold === 1 ? `a ${role} key holder` : `${threshold} ${role} key holders`
  return new DrydockError('DD-TRUST-012', `expected ${wanted} on manifest.json, found ${found}`, `have ${who} run \`drydock bundle sign\` on this bundle and bring it again`)
}

function checkSite(manifest: Manifest, site: string | undefined): void {
  if (site === undefined || manifest.site === '*' || manifest.site === site) return
  throw new DrydockError('DD-IMPORT-001', `expected a bundle for site ${site}, found one for ${manifest.site}`, `bring it to ${manifest.site}, or build with --site ${site}`)
}

function signersOf(verification: Verification, trust: TrustedKeys, role: TrustRole): Type.Static<typeof Signer>[] {
  const { fingerprints } = trust.role(role)
  const keys = new Map(verification.signatures.map(({ key }) => [key.fingerprint, key]))
  return [...keys.values()].map((key): Type.Static<typeof Signer> => {
    const told = { fingerprint: key.fingerprint, name: trust.nameOf(key), keyCreated: key.created.toISOString() }
    return fingerprints.has(key.fingerprint) ? told : { ...told, counts: false }
  })
}
