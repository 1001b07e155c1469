import type { ControlKind, RecallHit } from '../../bundles/format/control.ts'
import type { Finding, ImportState, Preflight, Scan } from '../../bundles/format/import-record.ts'
import type { Clock } from '../core/clock.ts'
import { DrydockError } from '../core/error.ts'
import type { ImportLedger, SignedReceipt } from './import-ledger.ts'
import type { OperationContext, Operations } from './operation-kind.ts'

/** What a volume says beside its head. */
export type HeadRead = { first: string | null; payloadOffset: number; size: number | null }

export type Work = { signal: AbortSignal; progress: (done: number, total: number) => void }

/** The steps over one import's staging folder; importer/stage implements them. Each may be run again after a kill. */
export interface ImportSteps {
  /** The table of states. */
  mayBecome(from: ImportState, to: ImportState): boolean
  /** What hangs or answers as one with a source: a mount, or a drive. */
  placeOf(source: string): string
  /** Finds out what a source leads to. @throws DD-MEDIA-006 when that neither answers nor fails */
  resolved<T>(source: string, signal: AbortSignal, resolve: () => Promise<T>): Promise<T>
  /** Takes manifest, signatures and index off the medium. @throws DD-MEDIA-006 when it neither answers nor fails */
  read(id: string, source: string, signal: AbortSignal): Promise<HeadRead>
  /** Judges what was read. `volume` is which one of `volumeNames` the source is, from 1; after the volumes they name the parity volumes. */
  verify(id: string, source: string, read: HeadRead): Promise<{ preflight: Preflight; approvals: number; missing: string[]; volume: number; volumeNames: string[]; control: ControlKind | null }>
  missing(id: string): Promise<string[]>
  stage(id: string, source: string, work: Work, volume?: number): Promise<{ bytes: number; kept: number; peakKiB: number }>
  /** Stages volumes that are lost, made from those that are staged. Parity volumes count on after the last volume. */
  rebuild(id: string, staged: readonly number[], wanted: readonly number[], work: Work): Promise<void>
  finishStaging(id: string): Promise<void>
  scan(id: string, work: Work): Promise<{ findings: Finding[]; scans: Scan[] }>
  promote(id: string): Promise<{ generation: number }>
  /** Of a bundle that brings no content: a new trust, or a recall. */
  takeEffect(id: string): Promise<{ generation: number; hits: RecallHit[] }>
  raiseMark(id: string): Promise<void>
  receipt(id: string, facts: { generation: number; preflight: Preflight; submittedBy: string; approvedBy: readonly string[]; scans: readonly Scan[] }): Promise<SignedReceipt>
  clean(id: string): Promise<void>
}

/**
 * Where an import stands in line. It begins where its source lies, with those that lie there too: a device may take long to answer, or never
 * do. What it is shows only once it is verified, so all go on in `front`: there stands what takes moments and must be in order: verification,
 * joining of volumes, promotion, a recall, a new trust. Payload is staged and scanned in a lane of its own.
 */
export const LANES = { front: 'import', payload: 'import:payload', reading: (place: string) => `import:reading:${place}` } as const

/** What was submitted: `import` is null for a new one and the id of a failed one that is taken up again. */
export type ImportParams = {
  import: string | null
  source: string
  /** An upload of ours, to be deleted at the end; otherwise a path under the media roots, to be left alone. */
  upload: boolean
  fileName: string
  /** A person has seen the preflight already. */
  proceed: boolean
}

export type ImportDeps = {
  steps: ImportSteps
  ledger: ImportLedger
  operations: Pick<Operations, 'signal' | 'get' | 'settled'>
  clock: Clock
  /** The real path of a bundle under the media roots. @throws DD-IMPORT-013 */
  resolveMedia: (path: string) => Promise<string>
  /** Deletes an upload and its folder. */
  discardUpload: (source: string) => Promise<void>
}

/** The answer to what an import waits for. */
export type Decision = { go: true } | { reject: string; by: string }

/** @throws DD-IMPORT-008 when a person said no */
export function decide(decision: Decision): void {
  if ('go' in decision) return
  throw new DrydockError('DD-IMPORT-008', `expected approval, found it rejected by ${decision.by}: ${decision.reject}`, 'talk to who rejected it; the bundle itself is unchanged')
}

export function work(deps: ImportDeps, context: OperationContext, phase: string, unit: string): Work {
  const began = deps.clock.now().getTime()
  return {
    signal: context.signal,
    progress(done, total) {
      const seconds = (deps.clock.now().getTime() - began) / 1000
      context.progress({ phase, done, total, unit, etaSeconds: done === 0 || seconds < 1 ? null : Math.ceil((seconds / done) * (total - done)) })
    },
  }
}
