import type { RescanRecord } from '../../bundles/format/rescan-record.ts'

/** Where looks through the store are remembered; appliance/state implements it over SQLite. Every call is durable when it returns. */
export interface RescanLedger {
  /** In the place of the record of the same id. */
  put(record: RescanRecord): void
  get(id: string): RescanRecord | undefined
  /** Newest first, each read when it is asked for: one can hold a thousand findings. */
  list(): Iterable<RescanRecord>
}
