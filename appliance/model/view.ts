import Type from 'typebox'
import { DigestText } from '../../bundles/format/item.ts'
import { NODE_PHASES } from './node.ts'
import { PoolDocument } from './pool.ts'

/** What the API answers: one schema a thing, used for ajv, OpenAPI, the typed client and the console. */
const strict = { additionalProperties: false } as const

export const NodeView = Type.Object(
  {
    name: Type.String(),
    pool: Type.String(),
    revision: Type.Integer(),
    hypervisor: Type.String(),
    image: DigestText,
    phase: Type.Enum(NODE_PHASES),
    phaseSince: Type.String(),
    waitsFor: Type.Union([Type.String(), Type.Null()]),
    failure: Type.Union([Type.String(), Type.Null()]),
    jobs: Type.Array(Type.String()),
    bootId: Type.Union([Type.String(), Type.Null()]),
    heartbeatAt: Type.Union([Type.String(), Type.Null()]),
    /** Seconds from the start of the VM to its first accepted heartbeat. */
    bootSeconds: Type.Union([Type.Number(), Type.Null()]),
  },
  strict,
)
export type NodeView = Type.Static<typeof NodeView>

export const PoolView = Type.Object(
  {
    name: Type.String(),
    head: Type.Integer(),
    target: Type.Union([Type.Integer(), Type.Null()]),
    lastHealthy: Type.Union([Type.Integer(), Type.Null()]),
    paused: Type.Union([Type.Null(), Type.Object({ by: Type.String(), reason: Type.String(), at: Type.String() }, strict)]),
    state: Type.Union([Type.Literal('not-applied'), Type.Literal('applying'), Type.Literal('rolling-out'), Type.Literal('healthy'), Type.Literal('degraded'), Type.Literal('failed'), Type.Literal('deleting')]),
    document: PoolDocument,
    specDigest: Type.Union([DigestText, Type.Null()]),
    image: Type.Union([DigestText, Type.Null()]),
    counts: Type.Object({ size: Type.Integer(), ready: Type.Integer(), new: Type.Integer(), old: Type.Integer(), draining: Type.Integer() }, strict),
    waits: Type.Array(Type.Object({ node: Type.Union([Type.String(), Type.Null()]), on: Type.String() }, strict)),
    operation: Type.Union([Type.String(), Type.Null()]),
  },
  strict,
)
export type PoolView = Type.Static<typeof PoolView>

/** `pool diff`: what applying head would change against the target, package by package. */
export const PoolDiff = Type.Object(
  {
    from: Type.Union([Type.Integer(), Type.Null()]),
    to: Type.Integer(),
    roles: Type.Array(Type.String()),
    packages: Type.Array(Type.Object({ name: Type.String(), from: Type.Union([Type.String(), Type.Null()]), to: Type.Union([Type.String(), Type.Null()]) }, strict)),
    fields: Type.Array(Type.Object({ field: Type.String(), from: Type.Unknown(), to: Type.Unknown() }, strict)),
    layers: Type.Array(Type.Object({ name: Type.String(), state: Type.Union([Type.Literal('same'), Type.Literal('new'), Type.Literal('removed')]) }, strict)),
    nodesToReplace: Type.Integer(),
  },
  strict,
)
export type PoolDiff = Type.Static<typeof PoolDiff>

export const ROLES = ['viewer', 'operator', 'approver', 'admin'] as const
export type UserRole = (typeof ROLES)[number]

export const SessionView = Type.Object(
  { user: Type.String(), role: Type.Enum(ROLES), mustChangePassword: Type.Boolean(), expiresAt: Type.String(), site: Type.String(), version: Type.String() },
  strict,
)
export type SessionView = Type.Static<typeof SessionView>
