import Type from 'typebox'

/** From and to, milliseconds; each VM gets its own value between them, from the seed and its name. */
const Span = Type.Tuple([Type.Integer({ minimum: 0 }), Type.Integer({ minimum: 0 })])
const Share = Type.Number({ minimum: 0, maximum: 1 })

/** What can be wrong with every guest of an image. */
export const ImageFault = Type.Enum(['no-boot', 'wrong-layers', 'verify-fails'] as const)
export type ImageFault = Type.Static<typeof ImageFault>

/** `options` of a hypervisor connection of kind `sim`; everything has a default. */
export const SimSettings = Type.Object(
  {
    seed: Type.Optional(Type.Integer()),
    cpus: Type.Optional(Type.Integer({ minimum: 1 })),
    memoryMiB: Type.Optional(Type.Integer({ minimum: 1 })),
    createMilliseconds: Type.Optional(Span),
    destroyMilliseconds: Type.Optional(Span),
    /** From the start to the first heartbeat. */
    bootMilliseconds: Type.Optional(Span),
    /** From the first heartbeat to the measurement. */
    verifyMilliseconds: Type.Optional(Span),
    heartbeatMilliseconds: Type.Optional(Type.Integer({ minimum: 10 })),
    /** Of calls to create, by name and attempt. */
    failedCreates: Type.Optional(Share),
    /** Of VMs that never say a word, by name. */
    deadGuests: Type.Optional(Share),
    /** `numpy-1.26.0`: what is wrong with each image that holds this role. */
    badRoles: Type.Optional(Type.Record(Type.String(), ImageFault)),
  },
  { additionalProperties: false },
)
export type SimSettings = Type.Static<typeof SimSettings>

export const DEFAULTS = {
  seed: 1,
  cpus: 512,
  memoryMiB: 4 * 1024 * 1024,
  createMilliseconds: [5, 20],
  destroyMilliseconds: [5, 20],
  bootMilliseconds: [50, 200],
  verifyMilliseconds: [10, 50],
  heartbeatMilliseconds: 1_000,
  failedCreates: 0,
  deadGuests: 0,
  badRoles: {},
} as const satisfies Required<SimSettings>
