import type { ImportState } from '../../bundles/format/import-record.ts'
import type { Case } from './bundles.ts'
import type { Kill } from './launch.ts'

/** How an import stands when nothing is left to do. */
export type Ending = {
  state: ImportState
  error: { code: string; message: string } | null
  /** Digest of the inventory, when the receipt's signature holds; null without a receipt. */
  receipt: string | null
  /** How often it was told that sequence 2 is served. */
  promotions: number
  /** What is wrong with the exported audit log; null when nothing, or when there is none. */
  audit: string | null
}

/** One appliance in a process of its own, with one bundle imported; the trials import a second one. */
export interface World {
  readonly name: 'engine' | 'up'
  readonly cases: readonly Case[]
  readonly data: string
  readonly marks: string
  /** Back to the moment after the first import. */
  reset(): void
  /** Starts it (again) and follows the import to its end, or to where the kill is. */
  run(trial: { subject: Case; upload: boolean }, kill?: Kill): Promise<Run>
  close(): Promise<void>
}

export type Run = { killed: boolean; wasReady: boolean; ending: Ending | undefined; said: string }
