import Type from 'typebox'
import { Trust } from '../../bundles/format/trust.ts'
import { Dismissal } from './dismissal.ts'
import { PoolRecord } from './pool.ts'
import { ROLES } from './view.ts'

const strict = { additionalProperties: false } as const
const Name = Type.String({ pattern: '^[a-z0-9][a-z0-9.-]{0,62}$', description: 'a name of small letters, digits, dot and -' })

/** A person. `password` is what identity's hash function printed (algorithm, cost, salt, hash); null: may not sign in with one. */
export const User = Type.Object(
  {
    name: Name,
    role: Type.Enum(ROLES),
    password: Type.Union([Type.String({ maxLength: 1024 }), Type.Null()]),
    mustChangePassword: Type.Boolean(),
    createdAt: Type.String(),
    /** Who gave out the account or the last one-time password, and when; `by` is null for the admin that `init` made. Not there for users of before. */
    given: Type.Optional(Type.Object({ by: Type.Union([Name, Type.Null()]), at: Type.String() }, strict)),
  },
  strict,
)
export type User = Type.Static<typeof User>

/** A bearer token: only its SHA-256 is kept. `role` is the most it may do, whatever its user may. */
export const Token = Type.Object(
  { id: Type.String(), user: Name, label: Type.String({ maxLength: 128 }), role: Type.Enum(ROLES), digest: Type.String({ pattern: '^sha256:[0-9a-f]{64}$' }), createdAt: Type.String(), expiresAt: Type.String() },
  strict,
)
export type Token = Type.Static<typeof Token>

/** Where machines run. `sim` is the simulated one; `options` are the driver's own, checked by it. */
export const HypervisorConnection = Type.Object({ name: Name, kind: Type.Union([Type.Literal('qemu'), Type.Literal('sim')]), options: Type.Record(Type.String(), Type.Unknown()) }, strict)
export type HypervisorConnection = Type.Static<typeof HypervisorConnection>

/** A CI server. `secret` names an entry of secrets/, never the secret itself. */
export const CiConnection = Type.Object(
  { name: Name, kind: Type.Union([Type.Literal('sim')]), url: Type.String({ maxLength: 2048 }), secret: Type.Optional(Type.String({ maxLength: 128 })), options: Type.Optional(Type.Record(Type.String(), Type.Unknown())) },
  strict,
)
export type CiConnection = Type.Static<typeof CiConnection>

export const Policy = Type.Object(
  {
    /** How many approvers an import needs. 0: the operator's `proceed` is enough. */
    approvals: Type.Integer({ minimum: 0, maximum: 16 }),
    /** The submitter does not count as an approver. */
    separate: Type.Boolean(),
  },
  strict,
)
export type Policy = Type.Static<typeof Policy>

/** Everything that people decide while the appliance runs: pointers only, small enough to be written whole. */
export const Desired = Type.Object(
  {
    siteId: Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,62}$' }),
    trust: Trust,
    policy: Policy,
    users: Type.Record(Type.String(), User),
    tokens: Type.Record(Type.String(), Token),
    connections: Type.Object({ hypervisors: Type.Record(Type.String(), HypervisorConnection), ci: Type.Record(Type.String(), CiConnection) }, strict),
    pools: Type.Record(Type.String(), PoolRecord),
    /** By id; not there in states of before. */
    dismissals: Type.Optional(Type.Record(Type.String(), Dismissal)),
  },
  strict,
)
export type Desired = Type.Static<typeof Desired>

/** The one home of desired state. One writer; a reader gets a frozen value that never changes under its hands. */
export interface DesiredStore {
  /** The last state that is durable. Deeply frozen. */
  read(): Desired
  /** Raised by every update. */
  readonly serial: number
  /**
   * Changes a copy; when the copy still fits the schema, writes it durably, and only then shows it to readers.
   * Updates run one after another. What `change` throws leaves everything as it was. A change that changes nothing writes nothing.
   */
  update(change: (draft: Desired) => void): Promise<Desired>
}
