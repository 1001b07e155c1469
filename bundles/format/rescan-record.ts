import Type from 'typebox'
import { Scan, ScannerState } from './import-record.ts'
import { DigestText } from './item.ts'

const strict = { additionalProperties: false } as const

/** What a scanner said of bytes that are here already. */
export const StoreFinding = Type.Object(
  {
    scanner: Type.String(),
    /** `blocker` would have stopped an import; `warning`: somebody could not look into it, or warns of it. */
    severity: Type.Union([Type.Literal('blocker'), Type.Literal('warning')]),
    code: Type.String(),
    /** The scanner's own word for it. */
    what: Type.String(),
    text: Type.String(),
    /** Keys of items that have these bytes (a few, when many share them); none of what names no file of ours. */
    items: Type.Array(Type.String()),
    digest: Type.Union([DigestText, Type.Null()]),
    /** Imports that brought these bytes, by id, the first one first. */
    imports: Type.Array(Type.String()),
  },
  strict,
)
export type StoreFinding = Type.Static<typeof StoreFinding>

/** One look through what the mirrors hold. */
export const RescanRecord = Type.Object(
  {
    /** That of its operation. */
    id: Type.String(),
    by: Type.String(),
    at: Type.String(),
    /** Null while it has not come to its end; what it found until then stands all the same. */
    endedAt: Type.Union([Type.String(), Type.Null()]),
    /** Every blob of this generation was looked at, or, when `since` is not 0, what came after that one. */
    generation: Type.Integer(),
    since: Type.Integer(),
    /** Who looks; definitions are the same from its beginning to its end. */
    scanners: Type.Array(ScannerState),
    scans: Type.Array(Scan),
    blobs: Type.Object({ done: Type.Integer(), total: Type.Integer() }, strict),
    findings: Type.Array(StoreFinding),
    /** What was found beyond the findings that are kept one by one. */
    more: Type.Integer(),
  },
  strict,
)
export type RescanRecord = Type.Static<typeof RescanRecord>
