import type { ImportRecord } from '../../bundles/format/import-record.ts'
import type { ImportLedger } from './import-ledger.ts'

/** How long the upload of a failed import waits for `import resume`. Refused, rejected, cancelled and imported ones are removed at once. */
export const UPLOAD_DAYS = 7
const DAY_MS = 24 * 60 * 60 * 1000

export type UploadUpkeep = {
  /** Failed imports whose upload nobody took up in time become rejected, and give its space back. */
  expireUploads(): Promise<void>
}

export function keptUntil(failed: Date): string {
  return new Date(failed.getTime() + UPLOAD_DAYS * DAY_MS).toISOString()
}

/** A failed import that stands on media or a path of the site holds nothing of ours, and can be resumed for ever. */
export function hasExpired(record: ImportRecord, ledger: Pick<ImportLedger, 'submission' | 'volumes'>, now: Date): boolean {
  if (record.state !== 'failed') return false
  if (!ledger.submission(record.id).upload && !ledger.volumes(record.id).some(({ upload }) => upload)) return false
  return now.toISOString() > (record.uploadKeptUntil ?? keptUntil(new Date(record.updatedAt)))
}
