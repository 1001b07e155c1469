import Type from 'typebox'
import { CONTROL_KINDS, RecallEffect, TrustChange } from './control.ts'

/**
 *   found → verifying → refused | parked | verified → staging → scanned → awaiting-approval → promoting → imported
 *   from staging and scanned also → quarantined; by people → rejected, cancelled; by faults → failed(retryable)
 */
export const IMPORT_STATES = [
  'found', 'verifying', 'refused', 'parked', 'verified', 'staging', 'scanned', 'quarantined', 'awaiting-approval', 'promoting', 'imported', 'rejected', 'cancelled', 'failed',
] as const
export type ImportState = (typeof IMPORT_STATES)[number]

const strict = { additionalProperties: false } as const

/** `counts: false`: a key of the trust that is not in the role which the content needs. Its holder signed, and that stands for nothing. */
export const Signer = Type.Object({ fingerprint: Type.String(), name: Type.String(), keyCreated: Type.String(), counts: Type.Optional(Type.Literal(false)) }, strict)

/** `claimed` facts come from the sender and are computed again from the bytes before approval. */
export const Finding = Type.Object(
  { severity: Type.Union([Type.Literal('note'), Type.Literal('warning'), Type.Literal('blocker')]), code: Type.String(), item: Type.String(), text: Type.String(), claimed: Type.Boolean() },
  strict,
)
export type Finding = Type.Static<typeof Finding>

/** Virus definitions that came in a bundle; `ageDays` when they were used, by trusted time. */
export const Definitions = Type.Object({ version: Type.String(), built: Type.String(), ageDays: Type.Integer() }, strict)
export type Definitions = Type.Static<typeof Definitions>

/** A scanner that can be run here. `definitions` only of one that gets them by bundle; null when none came yet. */
export const ScannerState = Type.Object({ name: Type.String(), version: Type.String(), definitions: Type.Optional(Type.Union([Definitions, Type.Null()])) }, strict)
export type ScannerState = Type.Static<typeof ScannerState>

/** A scanner as `scanner list` shows it, also one that cannot be run. */
export const ScannerView = Type.Object(
  {
    ...ScannerState.properties,
    state: Type.Union([Type.Literal('ready'), Type.Literal('no definitions'), Type.Literal('old definitions'), Type.Literal('not installed'), Type.Literal('off')]),
    /** Days after which definitions count as old. */
    maxAgeDays: Type.Optional(Type.Integer()),
  },
  strict,
)
export type ScannerView = Type.Static<typeof ScannerView>

/** What one scanner did with the staged blobs of an import; `findings` counts those that stand in the preflight. */
export const Scan = Type.Object(
  {
    scanner: Type.String(),
    version: Type.String(),
    definitions: Type.Optional(Type.Union([Definitions, Type.Null()])),
    files: Type.Integer(),
    seconds: Type.Number(),
    findings: Type.Integer(),
  },
  strict,
)
export type Scan = Type.Static<typeof Scan>

/** What the operator sees before any payload is stored. Sizes in bytes. */
export const Preflight = Type.Object(
  {
    bundle: Type.String(),
    manifest: Type.String(),
    site: Type.String(),
    stream: Type.String(),
    epoch: Type.Integer(),
    sequence: Type.Integer(),
    lastSequence: Type.Integer(),
    created: Type.String(),
    volumes: Type.Integer(),
    size: Type.Integer(),
    signers: Type.Array(Signer),
    role: Type.String(),
    threshold: Type.Integer(),
    adds: Type.Array(Type.Object({ kind: Type.String(), count: Type.Integer() }, strict)),
    changes: Type.Array(Type.Object({ kind: Type.String(), name: Type.String(), from: Type.String(), to: Type.String() }, strict)),
    newBytes: Type.Integer(),
    presentBytes: Type.Integer(),
    findings: Type.Array(Finding),
    /** Which scanners will look at it; not there when the appliance has none. */
    scanners: Type.Optional(Type.Array(ScannerState)),
    affects: Type.Array(Type.String()),
    /** A bundle that brings no content: what it changes stands in `trust` or `recall`. */
    control: Type.Optional(Type.Enum(CONTROL_KINDS)),
    trust: Type.Optional(TrustChange),
    recall: Type.Optional(RecallEffect),
    /** What the items state, most frequent first; `others` are items under licences that are not in the list. Not there in records of before. */
    licences: Type.Optional(
      Type.Object({ stated: Type.Array(Type.Object({ licence: Type.String(), items: Type.Integer() }, strict)), others: Type.Integer(), unknown: Type.Integer(), silent: Type.Integer() }, strict),
    ),
    freeBytes: Type.Integer(),
    seconds: Type.Number(),
  },
  strict,
)
export type Preflight = Type.Static<typeof Preflight>

export const ImportRecord = Type.Object(
  {
    id: Type.String(),
    operation: Type.String(),
    state: Type.Enum(IMPORT_STATES),
    source: Type.String(),
    /** How it came, and the path that it was read from; not there for imports of before. */
    brought: Type.Optional(Type.Object({ how: Type.Union([Type.Literal('upload'), Type.Literal('path')]), path: Type.Union([Type.String(), Type.Null()]) }, strict)),
    submittedBy: Type.String(),
    at: Type.String(),
    updatedAt: Type.String(),
    sequence: Type.Union([Type.Integer(), Type.Null()]),
    preflight: Type.Union([Preflight, Type.Null()]),
    approvals: Type.Array(Type.Object({ user: Type.String(), at: Type.String() }, strict)),
    approvalsNeeded: Type.Integer(),
    missing: Type.Array(Type.String()),
    /** What scanners did; not there before the scan, empty when the appliance has none. */
    scans: Type.Optional(Type.Array(Scan)),
    /** Of a failed import whose bytes were uploaded: until then `import resume` finds them, afterwards it counts as rejected. */
    uploadKeptUntil: Type.Optional(Type.Union([Type.String(), Type.Null()])),
    generation: Type.Union([Type.Integer(), Type.Null()]),
    receipt: Type.Union([Type.String(), Type.Null()]),
    error: Type.Union([Type.Object({ code: Type.String(), message: Type.String(), hint: Type.String(), retryable: Type.Boolean(), at: Type.Optional(Type.String()) }, strict), Type.Null()]),
    reason: Type.Union([Type.String(), Type.Null()]),
  },
  strict,
)
export type ImportRecord = Type.Static<typeof ImportRecord>

/** What commands take for an import and people can tell apart: `demo-3`, `trust-3`. Before it is verified there is only its id. */
export function importName({ id, sequence, preflight }: { id: string; sequence: number | null; preflight: { stream: string } | null }): string {
  return sequence === null || preflight === null ? id : `${preflight.stream}-${sequence}`
}
