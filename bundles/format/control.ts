import Type from 'typebox'
import type { Manifest } from './manifest.ts'
import { Fingerprint, TRUST_ROLES } from './trust.ts'
import { Recall } from './recall.ts'

/**
 * Bundles that bring no content but change what the appliance believes or serves. Each kind has a stream of its own that no other bundle
 * may use: who may ship content must not be able to use up the sequences of those who change trust or withdraw.
 */
export const CONTROL_KINDS = ['trust', 'recall'] as const
export type ControlKind = (typeof CONTROL_KINDS)[number]

/** `mixed` when it holds control items beside others. */
export function controlOf(manifest: Pick<Manifest, 'totals'>): ControlKind | 'mixed' | null {
  const kinds = Object.keys(manifest.totals.items)
  const control = CONTROL_KINDS.find(kind => kinds.includes(kind))
  if (control === undefined) return null
  return kinds.length === 1 ? control : 'mixed'
}

const strict = { additionalProperties: false } as const
const Holder = Type.Object({ fingerprint: Fingerprint, name: Type.String() }, strict)

/** What a new trust changes: the operator sees exactly this before anybody agrees. */
export const TrustChange = Type.Object(
  {
    from: Type.Integer(),
    to: Type.Integer(),
    /** `replaced`: the same fingerprint with other bytes (a later expiry, a revocation inside). */
    keys: Type.Array(Type.Object({ ...Holder.properties, change: Type.Union([Type.Literal('added'), Type.Literal('removed'), Type.Literal('revoked'), Type.Literal('replaced')]) }, strict)),
    roles: Type.Array(Type.Object({ role: Type.Enum(TRUST_ROLES), threshold: Type.Object({ from: Type.Integer(), to: Type.Integer() }, strict), added: Type.Array(Holder), removed: Type.Array(Holder) }, strict)),
    /** Root keys of the new trust that have signed it, too. */
    signedByNew: Type.Array(Holder),
  },
  strict,
)
export type TrustChange = Type.Static<typeof TrustChange>

/** Something here that a recall hits: `name` is the item's key, the image's digest, the pool's or node's name; `what` says what of the recall it has. */
export const RecallHit = Type.Object({ recall: Type.String(), kind: Type.Union([Type.Literal('item'), Type.Literal('image'), Type.Literal('pool'), Type.Literal('node')]), name: Type.String(), what: Type.String() }, strict)
export type RecallHit = Type.Static<typeof RecallHit>

export const RecallEffect = Type.Object({ recalls: Type.Array(Recall), hits: Type.Array(RecallHit) }, strict)
export type RecallEffect = Type.Static<typeof RecallEffect>
