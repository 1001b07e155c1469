import Type from 'typebox'

/** What the sim CI server and those who speak to it say to each other. Times are milliseconds since 1970. */
const strict = { additionalProperties: false } as const

const Label = Type.String({ pattern: '^[A-Za-z0-9._-]{1,64}$' })
const Labels = Type.Array(Label, { maxItems: 64 })
const NodeName = Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,62}$' })

export const SimVersion = Type.Object({ server: Type.Literal('drydock-sim-ci'), version: Type.String() }, strict)

export const NewAgent = Type.Object({ node: NodeName, labels: Labels }, strict)
export const EnrolledAgent = Type.Object({ id: Type.String(), node: NodeName, labels: Labels, secret: Type.String() }, strict)
export type EnrolledAgent = Type.Static<typeof EnrolledAgent>

export const SimAgent = Type.Object(
  { id: Type.String(), node: NodeName, labels: Labels, online: Type.Boolean(), quiesced: Type.Boolean(), jobs: Type.Array(Type.String()) },
  strict,
)
export type SimAgent = Type.Static<typeof SimAgent>
export const SimAgents = Type.Array(SimAgent)

export const Quiesced = Type.Object({ quiesced: Type.Boolean() }, strict)

/** `{nonce}` in the command is replaced by one that the server makes. Without `node`, any agent that has the labels may take it. */
export const NewJob = Type.Object(
  { name: Type.String({ pattern: '^[A-Za-z0-9._-]{1,64}$' }), command: Type.String({ minLength: 1, maxLength: 65_536 }), labels: Type.Optional(Labels), node: Type.Optional(NodeName) },
  strict,
)
export type NewJob = Type.Static<typeof NewJob>

export const SimJob = Type.Object(
  {
    id: Type.String(),
    name: Type.String(),
    command: Type.String(),
    nonce: Type.String(),
    labels: Labels,
    /** Who runs or ran it; before that, who was asked for; empty while anybody may take it. */
    node: Type.String(),
    queuedAt: Type.Number(),
    startedAt: Type.Union([Type.Number(), Type.Null()]),
    finishedAt: Type.Union([Type.Number(), Type.Null()]),
    status: Type.Union([Type.Integer(), Type.Null()]),
    output: Type.String(),
    /** Its agent was removed while it ran: what a pool must never do. */
    killed: Type.Boolean(),
    changedAt: Type.Number(),
  },
  strict,
)
export type SimJob = Type.Static<typeof SimJob>
export const SimJobs = Type.Array(SimJob)

export const JobResult = Type.Object({ status: Type.Integer(), output: Type.String({ maxLength: 2 ** 20 }) }, strict)

/** What the server does wrong on request, as real ones do by themselves. */
export const Faults = Type.Object(
  {
    /** A job is still reported as running for this long after it ended. */
    lateIdleMilliseconds: Type.Optional(Type.Integer({ minimum: 0 })),
    /** No agent is ever reported as busy. */
    falseIdle: Type.Optional(Type.Boolean()),
    /** So many results are taken, and the connection is cut instead of an answer. */
    lostResultAnswers: Type.Optional(Type.Integer({ minimum: 0 })),
    /** So many jobs are handed out, and the connection is cut instead of an answer. */
    lostJobAnswers: Type.Optional(Type.Integer({ minimum: 0 })),
  },
  strict,
)
export type Faults = Type.Static<typeof Faults>
