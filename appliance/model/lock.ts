import Type from 'typebox'
import { DigestText } from '../../bundles/format/item.ts'
import { Verify } from '../../bundles/format/role.ts'

export const LOCK_FORMAT = 'drydock-lock/1'

export const LockedDeb = Type.Object(
  { name: Type.String(), version: Type.String(), architecture: Type.String(), digest: DigestText, size: Type.Integer() },
  { additionalProperties: false },
)
export type LockedDeb = Type.Static<typeof LockedDeb>

export const LockedFile = Type.Object({ name: Type.String(), digest: DigestText, size: Type.Integer() }, { additionalProperties: false })
export type LockedFile = Type.Static<typeof LockedFile>

export const LockedRole = Type.Object(
  {
    role: Type.String(),
    version: Type.String(),
    /** The role pack's YAML blob. */
    pack: DigestText,
    /** What its layer adds over the base and the roles before it, in name order. */
    debs: Type.Array(LockedDeb),
    wheels: Type.Array(LockedFile),
    files: Type.Array(Type.Object({ from: LockedFile, to: Type.String(), mode: Type.String() }, { additionalProperties: false })),
    env: Type.Record(Type.String(), Type.String()),
    verify: Type.Array(Verify),
  },
  { additionalProperties: false },
)
export type LockedRole = Type.Static<typeof LockedRole>

/**
 * Everything an image is made of, by digest. Its canonical JSON is stored as a blob; the *spec digest* is that blob's digest.
 * Nothing here depends on when or where it was resolved: the same packages give the same lock.
 */
export const Lock = Type.Object(
  {
    format: Type.Literal(LOCK_FORMAT),
    /** Raised whenever the baker would make other bytes of the same packages. */
    baker: Type.Integer({ minimum: 1 }),
    os: Type.Literal('linux'),
    arch: Type.Union([Type.Literal('amd64'), Type.Literal('arm64')]),
    base: Type.Object(
      { name: Type.String(), version: Type.String(), pack: DigestText, sourceDateEpoch: Type.Integer(), debs: Type.Array(LockedDeb), kernel: LockedDeb, verify: Type.Array(Verify) },
      { additionalProperties: false },
    ),
    /** In the spec's order, which is the order of the layers. */
    roles: Type.Array(LockedRole),
    /** SHA-256 over the agent's scripts (appliance/agent) that go into the last layer. */
    agent: DigestText,
  },
  { additionalProperties: false },
)
export type Lock = Type.Static<typeof Lock>
