import Type from 'typebox'
import { DigestText } from './item.ts'

/** Who may do what: `root` changes trust, `release` ships content, `recall` withdraws it. */
export const TRUST_ROLES = ['root', 'release', 'recall'] as const
export type TrustRole = (typeof TRUST_ROLES)[number]

/** A v4 fingerprint is a SHA-1 by its standard (RFC 9580, 5.5.4), so the SHA-256 of the key's own bytes stands beside it. */
export const Fingerprint = Type.String({ pattern: '^([0-9A-F]{40}|[0-9A-F]{64})$' })

const RoleTrust = Type.Object({ threshold: Type.Integer({ minimum: 1, maximum: 64 }), keys: Type.Array(Fingerprint, { minItems: 1, maxItems: 64, uniqueItems: true }) }, { additionalProperties: false })

/** `trust.json`. Version N+1 replaces N. A key is never taken from the bundle that it signs. */
export const Trust = Type.Object(
  {
    version: Type.Integer({ minimum: 1 }),
    keys: Type.Array(
      Type.Object(
        {
          fingerprint: Fingerprint,
          /** SHA-256 of the binary (dearmored) public key. */
          keySha256: DigestText,
          publicKey: Type.String({ maxLength: 262144 }),
          /** For people: `Ana Ruiz`. */
          name: Type.String({ minLength: 1, maxLength: 128 }),
          /** In no role any more; a signature by it is fatal, however many others have signed. */
          revoked: Type.Optional(Type.Literal(true)),
        },
        { additionalProperties: false },
      ),
      { minItems: 1, maxItems: 256 },
    ),
    roles: Type.Object({ root: RoleTrust, release: RoleTrust, recall: RoleTrust }, { additionalProperties: false }),
  },
  { additionalProperties: false },
)
export type Trust = Type.Static<typeof Trust>
