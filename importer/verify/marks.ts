import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import Type from 'typebox'
import { ensureFolder, writeDurably } from '../../appliance/core/durable-file.ts'
import { DrydockError, isErrno } from '../../appliance/core/error.ts'
import { checkShape } from '../../bundles/format/check.ts'
import { DigestText } from '../../bundles/format/item.ts'
import { RecallRecord } from '../../bundles/format/recall.ts'

/** How far a stream has come here. */
export const Mark = Type.Object(
  { workspace: Type.String(), epoch: Type.Integer({ minimum: 0 }), sequence: Type.Integer({ minimum: 1 }), manifest: DigestText },
  { additionalProperties: false },
)
export type Mark = Type.Static<typeof Mark>

/** The newest trust that was in force here. */
export const TrustMark = Type.Object({ version: Type.Integer({ minimum: 1 }), digest: DigestText }, { additionalProperties: false })
export type TrustMark = Type.Static<typeof TrustMark>

/** Anti-rollback marks: they live outside the data folder and its backups, so that restoring one cannot lower them. */
export interface Marks {
  get(stream: string): Mark | undefined
  /** Trusted time never falls below this: when the newest bundle was accepted. */
  floor(): Date | undefined
  /** Durable before it returns. A mark that would fall, and a floor that would fall, stay as they are. */
  raise(stream: string, mark: Mark, at: Date): Promise<void>
  /** By two people's decision only: trusted time begins anew from here, later or earlier. */
  resetFloor(at: Date): Promise<void>
  /** undefined only where an older Drydock made the marks. */
  trust(): TrustMark | undefined
  /** Durable before it returns. An older version, or another document of the same, changes nothing. */
  raiseTrust(mark: TrustMark): Promise<void>
  /** By two people's decision only: this trust counts from now on, whatever was marked. */
  acceptTrust(mark: TrustMark): Promise<void>
  /** What is withdrawn, and what was and is lifted again. It stands here so that restoring a backup brings nothing back. */
  recalls(): readonly RecallRecord[]
  keepRecalls(recalls: readonly RecallRecord[]): Promise<void>
}

const MARKS_FILE = 'marks.json'
/** Of one appliance, by its id: two data folders may share one marksDir. */
const OfAppliance = Type.Object({ trust: Type.Optional(TrustMark), recalls: Type.Optional(Type.Array(RecallRecord)) }, { additionalProperties: false })
type OfAppliance = Type.Static<typeof OfAppliance>
const MarksDocument = Type.Object(
  { format: Type.Literal('drydock-marks/1'), floor: Type.Union([Type.String(), Type.Null()]), streams: Type.Record(Type.String(), Mark), appliances: Type.Optional(Type.Record(Type.String(), OfAppliance)) },
  { additionalProperties: false },
)
type MarksDocument = Type.Static<typeof MarksDocument>

/** `init` makes the marks, once; a folder that has some keeps them: a second appliance's init must not reset the first one's. */
export async function createMarks(folder: string): Promise<void> {
  await ensureFolder(folder, 0o700)
  try {
    await readFile(join(folder, MARKS_FILE))
  } catch (failure) {
    if (!isErrno(failure, 'ENOENT')) throw failure
    await write(folder, { format: 'drydock-marks/1', floor: null, streams: {} })
  }
}

/** @throws DD-IMPORT-015 when they are missing or damaged: that is never "start from nothing" */
export async function openMarks(folder: string, applianceId = 'this'): Promise<Marks> {
  let document = await read(folder)
  let queue: Promise<void> = Promise.resolve()

  const change = async (apply: (document: MarksDocument) => MarksDocument): Promise<void> => {
    const writing = queue.then(async () => {
      const next = apply(document)
      if (next === document) return
      await write(folder, next)
      document = next
    })
    queue = writing.catch(() => undefined)
    await writing
  }
  const own = (): OfAppliance => (document.appliances !== undefined && Object.hasOwn(document.appliances, applianceId) ? document.appliances[applianceId]! : {})
  const changeOwn = async (part: OfAppliance): Promise<void> => await change(before => ({ ...before, appliances: { ...before.appliances, [applianceId]: { ...own(), ...part } } }))

  return {
    get: stream => markOf(document, stream),
    floor: () => (document.floor === null ? undefined : new Date(document.floor)),
    raise: (stream, mark, at) => change(before => raised(before, stream, mark, at)),
    resetFloor: at => change(before => ({ ...before, floor: at.toISOString() })),
    trust: () => own().trust,
    async raiseTrust({ version, digest }) {
      const before = own().trust
      if (before === undefined || version > before.version) await changeOwn({ trust: { version, digest } })
    },
    acceptTrust: ({ version, digest }) => changeOwn({ trust: { version, digest } }),
    recalls: () => own().recalls ?? [],
    keepRecalls: recalls => changeOwn({ recalls: [...recalls] }),
  }
}

/** Pure: the document after a mark, or the same one when nothing rises. */
export function raised(document: MarksDocument, stream: string, mark: Mark, at: Date): MarksDocument {
  const before = markOf(document, stream)
  const rises = before === undefined || mark.epoch > before.epoch || (mark.epoch === before.epoch && mark.sequence > before.sequence)
  const floorRises = document.floor === null || at > new Date(document.floor)
  if (!rises && !floorRises) return document
  return { ...document, floor: floorRises ? at.toISOString() : document.floor, streams: rises ? { ...document.streams, [stream]: mark } : document.streams }
}

/** A stream may be called `constructor`. */
function markOf(document: MarksDocument, stream: string): Mark | undefined {
  return Object.hasOwn(document.streams, stream) ? document.streams[stream] : undefined
}

async function read(folder: string): Promise<MarksDocument> {
  try {
    return checkShape(MarksDocument, JSON.parse(await readFile(join(folder, MARKS_FILE), 'utf8')), MARKS_FILE)
  } catch (cause) {
    throw new DrydockError('DD-IMPORT-015', `expected the anti-rollback marks in ${folder}, found ${isErrno(cause, 'ENOENT') ? 'none' : 'damaged ones'}`, 'restore marksDir as it was; without it an old bundle could come in again. `drydock doctor` says what is known', { cause })
  }
}

async function write(folder: string, document: MarksDocument): Promise<void> {
  await writeDurably(join(folder, MARKS_FILE), `${JSON.stringify(document)}\n`)
}
