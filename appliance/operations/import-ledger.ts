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
  /** Volumes of a set that came for an import, by number; a later one of a number takes the place of an earlier one. */
  volumes(id: string): VolumeSource[]
  keepVolume(id: string, volume: VolumeSource): void
  dropVolume(id: string, volume: number): void
  /** What was submitted as `id` belongs to another import: from now on both ids name that one. */
  join(id: string, into: string): void
  joined(id: string): string | undefined
  /** What came by itself (a file in a watch folder, a bundle on a medium) and the import that it started: each identity starts one, for ever. */
  keepArrival(identity: string, id: string): void
  arrival(identity: string): string | undefined
  keepReceipt(id: string, signed: SignedReceipt): void
  receipt(id: string): SignedReceipt | undefined
}

/** Where one volume lies; `staged` once its payload is verified and on the disk. */
export type VolumeSource = Submission & { volume: number; staged: boolean }

/** Canonical JSON of a Receipt, and the appliance's armored signature over these bytes. */
export type SignedReceipt = { receipt: string; signature: string }

/** Where the bundle lies: an upload of ours, or a path on media. */
export type Submission = { source: string; upload: boolean; fileName: string }
