import Type from 'typebox'
import { ScannerView } from '../../bundles/format/import-record.ts'
import { GoesOnFrom, RescanRecord, StoreFinding } from '../../bundles/format/rescan-record.ts'
import { Dismissal } from './dismissal.ts'
import { Operation } from './operation.ts'
import type { Request } from './use-cases.ts'

const strict = { additionalProperties: false } as const
const Text = Type.String()
const MaybeText = Type.Union([Text, Type.Null()])

/** A look through the store with how its operation stands. */
export const RescanView = Type.Object({ ...RescanRecord.properties, state: Operation.properties.state, error: Operation.properties.error }, strict)
export type RescanView = Type.Static<typeof RescanView>

/** What was begun; `goesOnFrom`: the one that did not come to its end, whose rest is looked at; `whyAnew`: why what that one has done does not count. */
export const RescanBegun = Type.Object({ ...Operation.properties, goesOnFrom: Type.Union([GoesOnFrom, Type.Null()]), whyAnew: MaybeText }, strict)
export type RescanBegun = Type.Static<typeof RescanBegun>

/** Of what people published the items name the first that are here still. */
const { files: _files, ...Told } = StoreFinding.properties

/** What a look through the store found, and no later one took back. */
export const StandingFinding = Type.Object(
  {
    ...Told,
    /** The same for the same scanner, signature and bytes: what `dismissal new` takes. Null of what only warns, and of what names no bytes. */
    id: MaybeText,
    rescan: Text,
    at: Text,
    /** Those imports that are known here: `demo 3`. */
    broughtBy: Type.Array(Type.Object({ import: Text, stream: Text, sequence: Type.Integer() }, strict)),
    /** The recall that has withdrawn by now what was found. */
    withdrawn: MaybeText,
    /** How they can be withdrawn, as a command for the connected side; null when they are, when nothing names them, of a warning, and of what is dismissed. */
    recall: MaybeText,
    /** How a package that people published here is taken away, as a command for one of them; null of everything else. */
    unpublish: MaybeText,
    /** What people say of it, whatever became of that; it alarms no more while its state is `dismissed`. */
    dismissal: Type.Union([Dismissal, Type.Null()]),
  },
  strict,
)
export type StandingFinding = Type.Static<typeof StandingFinding>

/** A scanner, and its part in the last look through the whole store that came to its end. */
export const ScannerStanding = Type.Object(
  { ...ScannerView.properties, rescanned: Type.Union([Type.Null(), Type.Object({ at: Text, definitions: MaybeText, files: Type.Integer(), findings: Type.Integer() }, strict)]) },
  strict,
)
export type ScannerStanding = Type.Static<typeof ScannerStanding>

/** What people do with what is here already; operations/ implements it. */
export interface Rescans {
  /** Newest first. */
  list(limit?: number): RescanView[]
  /** The gravest first. */
  findings(): StandingFinding[]
  /**
   * Looks through everything; the one that waits or runs with the same definitions already, when there is one. What the last one has done counts when it failed
   * or was cancelled and the scanners know the same, unless `anew` is wanted. @throws DD-IMPORT-040 when no scanner can look
   */
  start(request: Request, options?: { anew?: boolean }): Promise<RescanBegun>
}
