import Type from 'typebox'
import { Scan, ScannerState } from './import-record.ts'
import { DigestText } from './item.ts'

const strict = { additionalProperties: false } as const

/** A file that people published into the private npm registry, by its key there, and what `npm unpublish` takes it away by: `@site/tool@1.0.0`, or all of `@site/tool`. */
export const PublishedAs = Type.Object({ file: Type.String(), spec: Type.String() }, strict)
export type PublishedAs = Type.Static<typeof PublishedAs>

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
    /** People published them into the private npm registry: no import brought them, and no recall withdraws them. */
    published: Type.Optional(Type.Literal(true)),
    /** Then: every one of them that has these bytes. Not there in records of before. */
    files: Type.Optional(Type.Array(PublishedAs)),
  },
  strict,
)
export type StoreFinding = Type.Static<typeof StoreFinding>

/**
 * What is left of a part of what is here: of the mirrors every blob of `generation` that came after generation `since`, behind the digest `after`; of what people
 * published into the private npm registry what stands behind that file.
 */
export const RescanPart = Type.Union([
  Type.Object({ of: Type.Literal('mirrors'), generation: Type.Integer(), since: Type.Integer(), after: Type.Union([DigestText, Type.Null()]) }, strict),
  Type.Object({ of: Type.Literal('published'), after: Type.Union([Type.String(), Type.Null()]) }, strict),
])
export type RescanPart = Type.Static<typeof RescanPart>

/** The look that another one goes on from: when that was begun, and how far it came. */
export const GoesOnFrom = Type.Object({ rescan: Type.String(), at: Type.String(), done: Type.Integer(), total: Type.Integer() }, strict)
export type GoesOnFrom = Type.Static<typeof GoesOnFrom>

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
    /** What is not looked at yet, in its order; one that failed or was cancelled can be gone on with from here. Not there in records of before. */
    rest: Type.Optional(Type.Array(RescanPart)),
    /** What this one found stands in it too, and is not looked at again. */
    goesOnFrom: Type.Optional(GoesOnFrom),
  },
  strict,
)
export type RescanRecord = Type.Static<typeof RescanRecord>
