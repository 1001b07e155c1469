import type { ImportRecord } from '../../bundles/format/import-record.ts'

/** Where imports are remembered; appliance/state implements it over SQLite. Every call is durable when it returns. */
export interface ImportLedger {
  /** The first record of an id stays. */
  create(record: ImportRecord, submission: Submission): void
  /** What `import resume` goes on with. */
  submission(id: string): Submission
  get(id: string): ImportRecord | undefined
  /** Newest first. */
  list(): ImportRecord[]
  update(id: string, change: Partial<Omit<ImportRecord, 'id'>>): ImportRecord
  keepReceipt(id: string, signed: SignedReceipt): void
  receipt(id: string): SignedReceipt | undefined
}

/** Canonical JSON of a Receipt, and the appliance's armored signature over these bytes. */
export type SignedReceipt = { receipt: string; signature: string }

/** Where the bundle lies: an upload of ours, or a path on media. */
export type Submission = { source: string; upload: boolean; fileName: string }
