import Type from 'typebox'

/** queued → running ⇄ waiting(on what) → succeeded | failed(error) | cancelled */
export const OPERATION_STATES = ['queued', 'running', 'waiting', 'succeeded', 'failed', 'cancelled'] as const

export const Progress = Type.Object(
  { phase: Type.String(), done: Type.Number(), total: Type.Number(), unit: Type.String(), etaSeconds: Type.Union([Type.Number(), Type.Null()]) },
  { additionalProperties: false },
)
export type Progress = Type.Static<typeof Progress>

export const ErrorBodySchema = Type.Object({ code: Type.String(), message: Type.String(), hint: Type.String(), retryable: Type.Boolean(), at: Type.Optional(Type.String()) })

export const Operation = Type.Object(
  {
    id: Type.String(),
    /** `import`, `pool.apply`, `image.bake` … */
    kind: Type.String(),
    subject: Type.String(),
    actor: Type.String(),
    state: Type.Enum(OPERATION_STATES),
    waitingOn: Type.Union([Type.String(), Type.Null()]),
    progress: Type.Union([Progress, Type.Null()]),
    error: Type.Union([ErrorBodySchema, Type.Null()]),
    result: Type.Unknown(),
    createdAt: Type.String(),
    updatedAt: Type.String(),
  },
  { additionalProperties: false },
)
export type Operation = Type.Static<typeof Operation>
