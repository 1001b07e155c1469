import Type from 'typebox'
import { ImportRecord } from '../../bundles/format/import-record.ts'
import { ITEM_KINDS } from '../../bundles/format/item.ts'
import { Trust } from '../../bundles/format/trust.ts'
import { AuditRecord } from '../model/audit.ts'
import { CiConnection, HypervisorConnection } from '../model/desired.ts'
import { Event } from '../model/event.ts'
import { Dismissal } from '../model/dismissal.ts'
import { TokenView, UserView } from '../model/identity.ts'
import { ImageManifest } from '../model/image.ts'
import { MediumView } from '../model/medium.ts'
import { ErrorBodySchema, Operation } from '../model/operation.ts'
import { Revision } from '../model/pool.ts'
import { RescanBegun, RescanView, ScannerStanding, StandingFinding } from '../model/rescan.ts'
import { ClockView, Decision, RecallView, SignedImport, TrustView } from '../model/standing.ts'
import { NodeView, PoolDiff, PoolView, SessionView } from '../model/view.ts'

/** What the API answers beyond the model's views. */
const strict = { additionalProperties: false } as const
const Text = Type.String()

export const SignedIn = Type.Object({ ...SessionView.properties, token: Text }, strict)

export const HomeView = Type.Object({ waiting: Type.Array(Type.Object({ subject: Text, text: Text, hint: Text, href: Text, since: Type.Union([Text, Type.Null()]) }, strict)) }, strict)
export type HomeView = Type.Static<typeof HomeView>

export const ConsoleText = Type.Object({ text: Text }, strict)

/** Two nodes fact by fact; only what differs. Equal nodes give an empty list. */
export const NodeDiff = Type.Object({ a: Text, b: Text, differences: Type.Array(Type.Object({ fact: Text, a: Type.Union([Text, Type.Null()]), b: Type.Union([Text, Type.Null()]) }, strict)) }, strict)
export type NodeDiff = Type.Static<typeof NodeDiff>

export const GenerationView = Type.Object({ generation: Type.Integer(), at: Text, operation: Text, counts: Type.Record(Text, Type.Integer()), current: Type.Boolean() }, strict)

export const FoundItem = Type.Object({ kind: Type.Enum(ITEM_KINDS), name: Text, version: Text, variant: Type.Union([Text, Type.Null()]), size: Type.Integer(), digests: Type.Array(Text) }, strict)
export type FoundItem = Type.Static<typeof FoundItem>

export const HypervisorView = Type.Object(
  {
    name: Text,
    kind: HypervisorConnection.properties.kind,
    options: HypervisorConnection.properties.options,
    reachable: Type.Boolean(),
    /** What it is and can, or why it did not answer. */
    says: Text,
    acceleration: Type.Union([Type.Enum(['kvm', 'tcg', 'none'] as const), Type.Null()]),
    cpus: Type.Union([Type.Integer(), Type.Null()]),
    memoryMiB: Type.Union([Type.Integer(), Type.Null()]),
    diskFreeMiB: Type.Union([Type.Integer(), Type.Null()]),
    notes: Type.Array(Text),
  },
  strict,
)
export type HypervisorView = Type.Static<typeof HypervisorView>

export const CiView = Type.Object({ name: Text, kind: CiConnection.properties.kind, url: Text, reachable: Type.Boolean(), says: Text }, strict)
export type CiView = Type.Static<typeof CiView>

/** A plain host, a port that exists, no user: the host stands on the command line of the guests' helpers, where a comma begins an option. */
const CiUrl = Type.String({ maxLength: 2048, pattern: '^https?://([A-Za-z0-9.-]+|\\[[0-9A-Fa-f:.]+\\])(:([0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?(/[!-~]*)?$' })

/** `token`: what the CI server wants from us; it is kept in secrets/, never shown again. */
export const NewCi = Type.Object(
  { name: CiConnection.properties.name, kind: CiConnection.properties.kind, url: CiUrl, token: Type.Optional(Type.String({ maxLength: 4096 })), options: Type.Optional(Type.Record(Text, Type.Unknown())) },
  strict,
)
export type NewCi = Type.Static<typeof NewCi>

export const OneTimePassword = Type.Object({ oneTimePassword: Text }, strict)
export const NewUser = Type.Object({ user: UserView, oneTimePassword: Text }, strict)
export const NewToken = Type.Object({ token: TokenView, credential: Text }, strict)
export const SignedReceipt = Type.Object({ receipt: Text, signature: Text }, strict)
export const Readiness = Type.Object({ ready: Type.Boolean(), waits: Type.Array(Text) }, strict)

/** Schemas with a name in the OpenAPI document and in the typed client. */
export const NAMED = {
  Error: ErrorBodySchema, Operation, Event, AuditRecord, ImportRecord, MediumView, ScannerStanding, RescanBegun, RescanView, StandingFinding, Dismissal, PoolView, PoolDiff, Revision, NodeView, NodeDiff, ImageManifest, SessionView, SignedIn, HomeView, GenerationView, FoundItem, HypervisorView, CiView,
  TrustView, SignedImport, RecallView, ClockView, Decision, UserView, TokenView, NewUser, NewToken, OneTimePassword, SignedReceipt, ConsoleText, Trust, Readiness,
} as const satisfies Record<string, Type.TSchema>
