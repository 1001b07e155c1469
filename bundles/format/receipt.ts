import Type from 'typebox'
import { DigestText } from './item.ts'

/** What the appliance says it now holds, signed by it (detached OpenPGP beside it); with it the sender makes the next delta. */
export const Receipt = Type.Object(
  {
    format: Type.Literal('drydock-receipt/1'),
    applianceId: Type.String(),
    site: Type.String(),
    stream: Type.String(),
    epoch: Type.Integer({ minimum: 0 }),
    sequence: Type.Integer({ minimum: 1 }),
    /** SHA-256 of the imported manifest.json. */
    manifest: DigestText,
    generation: Type.Integer({ minimum: 1 }),
    at: Type.String(),
    signers: Type.Array(Type.Object({ fingerprint: Type.String(), name: Type.String() }, { additionalProperties: false })),
    submittedBy: Type.String(),
    approvedBy: Type.Array(Type.String()),
    /** SHA-256 of the canonical JSON of the sorted blob digest list below. */
    inventoryDigest: DigestText,
    inventory: Type.Array(DigestText),
    counts: Type.Record(Type.String(), Type.Integer({ minimum: 0 })),
    /** SHA-256 of the canonical JSON of each item, sorted: those stay out of the next delta. */
    items: Type.Optional(Type.Array(DigestText)),
    /** Scanners that looked at what came in, and the version of their definitions; not there when none did. */
    scans: Type.Optional(Type.Array(Type.Object({ scanner: Type.String(), version: Type.String(), definitions: Type.Optional(Type.String()) }, { additionalProperties: false }))),
    refused: Type.Array(Type.String()),
    missing: Type.Array(Type.String()),
  },
  { additionalProperties: false },
)
export type Receipt = Type.Static<typeof Receipt>
