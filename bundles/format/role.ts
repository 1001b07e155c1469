import Type from 'typebox'

const Word = Type.String({ pattern: '^[a-z0-9][a-z0-9+.-]{0,62}$' })
const Packages = Type.Array(Type.String({ pattern: '^[a-z0-9][a-z0-9+.-]{0,126}$' }), { maxItems: 512 })

/** A command whose standard output, trimmed, must match `expect` (a literal string). Run by the agent in the booted image. */
export const Verify = Type.Object({ run: Type.String({ minLength: 1, maxLength: 512 }), expect: Type.String({ maxLength: 512 }) }, { additionalProperties: false })
export type Verify = Type.Static<typeof Verify>

/** A versioned toolchain. Payload names what the mirrors hold; the lock pins it to digests. */
export const RolePack = Type.Object(
  {
    apiVersion: Type.Literal('drydock/v1'),
    kind: Type.Literal('Role'),
    role: Word,
    version: Type.String({ minLength: 1, maxLength: 64 }),
    os: Type.Literal('linux'),
    arch: Type.Union([Type.Literal('amd64'), Type.Literal('arm64')]),
    /** Roles that must stand in the same spec: `python-3.11`. */
    requires: Type.Array(Type.String({ maxLength: 128 }), { maxItems: 64 }),
    conflicts: Type.Array(Type.String({ maxLength: 128 }), { maxItems: 64 }),
    payload: Type.Object(
      {
        apt: Type.Optional(Packages),
        /** Exact pins, `numpy==1.26.0`. */
        pip: Type.Optional(Type.Array(Type.String({ pattern: '^[A-Za-z0-9._-]+==[A-Za-z0-9.!+_-]+$' }), { maxItems: 256 })),
        files: Type.Optional(Type.Array(Type.Object({ path: Type.String(), to: Type.String(), mode: Type.Optional(Type.String({ pattern: '^0[0-7]{3}$' })) }, { additionalProperties: false }))),
      },
      { additionalProperties: false },
    ),
    env: Type.Record(Type.String({ pattern: '^[A-Z_][A-Z0-9_]*$' }), Type.String({ maxLength: 4096 })),
    verify: Type.Array(Verify, { minItems: 1, maxItems: 64 }),
  },
  { additionalProperties: false },
)
export type RolePack = Type.Static<typeof RolePack>

/** What an image starts from: `debian-12` is base `debian`, version `12`. */
export const BasePack = Type.Object(
  {
    apiVersion: Type.Literal('drydock/v1'),
    kind: Type.Literal('Base'),
    base: Word,
    version: Type.String({ minLength: 1, maxLength: 64 }),
    os: Type.Literal('linux'),
    arch: Type.Union([Type.Literal('amd64'), Type.Literal('arm64')]),
    suite: Word,
    /** Installed into the base layer with their closure, beside Essential and apt. */
    packages: Packages,
    /** Unpacked for kernel and modules only, never installed. */
    kernel: Type.String(),
    /** Later than every file in its packages; all file times are clamped to it. Seconds since 1970. */
    sourceDateEpoch: Type.Integer({ minimum: 0 }),
    verify: Type.Array(Verify, { maxItems: 64 }),
  },
  { additionalProperties: false },
)
export type BasePack = Type.Static<typeof BasePack>
