import Type from 'typebox'
import { DigestText } from '../../bundles/format/item.ts'

const Name = Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,39}$', description: 'a name of at most 40 small letters, digits and -' })
/** `90s`, `30m`, `5h`, `7d` */
const Duration = Type.String({ pattern: '^[0-9]{1,6}(ms|s|m|h|d)$', description: 'a span of time like 90s, 30m, 5h or 7d' })
/** A count (`1`) or a share of the pool (`10%`, rounded up, at least 1 unless it is 0%). */
const CountOrShare = Type.Union([Type.Integer({ minimum: 0 }), Type.String({ pattern: '^(100|[0-9]{1,2})%$' })], { description: 'a number of nodes like 1, or a share like 10%' })
const ByteSize = Type.String({ pattern: '^[0-9]{1,6}(MiB|GiB)$', description: 'a size like 512MiB or 8GiB' })

const strict = { additionalProperties: false } as const

export const Rollout = Type.Object(
  {
    strategy: Type.Optional(Type.Union([Type.Literal('rolling'), Type.Literal('switch')])),
    maxSurge: Type.Optional(CountOrShare),
    maxUnavailable: Type.Optional(CountOrShare),
    canary: Type.Optional(Type.Integer({ minimum: 0 })),
    soak: Type.Optional(Duration),
    drainTimeout: Type.Optional(Duration),
    bootTimeout: Type.Optional(Duration),
    onFailure: Type.Optional(Type.Union([Type.Literal('rollback'), Type.Literal('pause')])),
  },
  strict,
)

/** The document a tools engineer keeps in git (design/pools.md). Fields that are not built yet are not here: unknown fields are refused. */
export const PoolDocument = Type.Object(
  {
    apiVersion: Type.Literal('drydock/v1'),
    kind: Type.Literal('Pool'),
    metadata: Type.Object({ name: Name }, strict),
    spec: Type.Object(
      {
        os: Type.Literal('linux'),
        size: Type.Integer({ minimum: 0, maximum: 10_000 }),
        /** `debian-12` */
        base: Type.String({ pattern: '^[a-z0-9][a-z0-9.+-]{0,62}$', description: 'a base like debian-12' }),
        roles: Type.Array(Type.String({ pattern: '^[a-z0-9][a-z0-9.+-]{0,62}$', description: 'a role like python-3.11' }), { maxItems: 64, uniqueItems: true }),
        nodeName: Type.String({ pattern: '^[a-z]{1,6}$', description: '1 to 6 small letters, like lin' }),
        hardware: Type.Object(
          { cpus: Type.Integer({ minimum: 1, maximum: 256 }), memory: ByteSize, disk: Type.Optional(ByteSize) },
          strict,
        ),
        ci: Type.Object({ connection: Name, labels: Type.Array(Type.String({ pattern: '^[A-Za-z0-9._-]{1,64}$', description: 'a label of letters, digits, dot, - and _' }), { maxItems: 64 }), executors: Type.Optional(Type.Literal(1)) }, strict),
        hypervisors: Type.Array(Name, { minItems: 1, maxItems: 64, uniqueItems: true }),
        rollout: Type.Optional(Rollout),
      },
      strict,
    ),
  },
  strict,
)
export type PoolDocument = Type.Static<typeof PoolDocument>
export type PoolSpec = PoolDocument['spec']

/** A revision never changes after it was made, but for what apply found out (`specDigest`, `image`, `generation`, `outcome`). */
export const Revision = Type.Object(
  {
    revision: Type.Integer({ minimum: 1 }),
    parent: Type.Union([Type.Integer(), Type.Null()]),
    author: Type.String(),
    message: Type.String(),
    at: Type.String(),
    /** `python 3.10 → 3.11, numpy 1.25.2 → 1.26.0` */
    change: Type.String(),
    spec: PoolDocument.properties.spec,
    specDigest: Type.Optional(DigestText),
    image: Type.Optional(DigestText),
    generation: Type.Optional(Type.Integer()),
    outcome: Type.Optional(Type.Union([Type.Literal('rolling-out'), Type.Literal('healthy'), Type.Literal('failed'), Type.Literal('superseded')])),
    /** Why its rollout failed, in words. */
    failure: Type.Optional(Type.String()),
    /** The operation that made it the target. */
    operation: Type.Optional(Type.String()),
    /** Set by `pool rollback`: the revision whose lock this one takes. */
    rollbackOf: Type.Optional(Type.Integer()),
  },
  strict,
)
export type Revision = Type.Static<typeof Revision>

export const PoolRecord = Type.Object(
  {
    name: Name,
    revisions: Type.Array(Revision),
    /** The newest revision, applied or not. */
    head: Type.Integer(),
    /** What reconcile works towards; set only when its image is baked. */
    target: Type.Union([Type.Integer(), Type.Null()]),
    lastHealthy: Type.Union([Type.Integer(), Type.Null()]),
    paused: Type.Union([Type.Null(), Type.Object({ by: Type.String(), reason: Type.String(), at: Type.String() }, strict)]),
    /** Raised by each change of target that makes the nodes of before wrong ones; a VM of a lower fence is old. A change of size alone keeps it. */
    fence: Type.Integer({ minimum: 0 }),
    deleting: Type.Optional(Type.Boolean()),
    /** Milliseconds since 1970; set by `pool resume`: what failed before does not count against the target again. */
    failuresSince: Type.Optional(Type.Integer()),
  },
  strict,
)
export type PoolRecord = Type.Static<typeof PoolRecord>
