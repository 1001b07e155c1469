import Type from 'typebox'
import { RecallHit } from '../../bundles/format/control.ts'
import { RecallRecord } from '../../bundles/format/recall.ts'
import { Fingerprint, Trust, TRUST_ROLES } from '../../bundles/format/trust.ts'

const strict = { additionalProperties: false } as const
const Text = Type.String()
const MaybeText = Type.Union([Text, Type.Null()])

/** Whose signatures are believed now, what waits to change that, and whether a backup brought an older trust back. */
export const TrustView = Type.Object(
  {
    version: Type.Integer(),
    digest: Text,
    /** The version that was in force here, when the one that is now is older or another of its number: no bundle is judged then. */
    behind: Type.Union([Type.Null(), Type.Object({ marked: Type.Integer(), digest: Text }, strict)]),
    /** `bundles`: how many that came in have its signature. */
    keys: Type.Array(Type.Object({ fingerprint: Fingerprint, name: Text, created: Text, ends: MaybeText, roles: Type.Array(Type.Enum(TRUST_ROLES)), revoked: Type.Boolean(), bundles: Type.Integer() }, strict)),
    roles: Trust.properties.roles,
    /** Trust bundles that wait for approval. */
    pending: Type.Array(Type.Object({ import: Text, from: Type.Integer(), to: Type.Integer(), approvals: Type.Integer(), approvalsNeeded: Type.Integer(), submittedBy: Text }, strict)),
  },
  strict,
)
export type TrustView = Type.Static<typeof TrustView>

/** An import that came in with a signature by the key that was asked for. */
export const SignedImport = Type.Object({ import: Text, stream: Text, sequence: Type.Integer(), at: Text, generation: Type.Union([Type.Integer(), Type.Null()]) }, strict)
export type SignedImport = Type.Static<typeof SignedImport>

/** A recall and what it hits here now. */
export const RecallView = Type.Object({ ...RecallRecord.properties, hits: Type.Array(RecallHit) }, strict)
export type RecallView = Type.Static<typeof RecallView>

/** Trusted time (design/appliance.md) and where its floor comes from. */
export const ClockView = Type.Object(
  { wall: Text, trusted: Text, floor: Text, build: Text, newestBundle: MaybeText, lastAudit: MaybeText, wrong: Type.Boolean() },
  strict,
)
export type ClockView = Type.Static<typeof ClockView>

export const DECISION_KINDS = ['clock.reset', 'trust.accept'] as const
export type DecisionKind = (typeof DECISION_KINDS)[number]

/** What one admin has asked for and another one must confirm. `to`: the floor that is wanted, of a clock reset. */
export const Decision = Type.Object({ id: Text, kind: Type.Enum(DECISION_KINDS), to: MaybeText, says: Text, askedBy: Text, at: Text, expiresAt: Text }, strict)
export type Decision = Type.Static<typeof Decision>

/** Two people, each by name; kept in memory for an hour, because what is older was asked for under other circumstances. */
export interface Decisions {
  list(): Decision[]
  /** @throws DD-STATE-023 for an admin whose account or password somebody else gave out lately. */
  ask(wanted: { kind: DecisionKind; to?: string }, by: string): Decision
  /** @throws DD-STATE-020 for the one who asked, DD-STATE-021 when there is none, DD-STATE-023 as for `ask`. */
  confirm(id: string, by: string): Promise<Decision>
  withdraw(id: string): void
}
