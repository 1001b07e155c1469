import type { ImportState } from '../../bundles/format/import-record.ts'

/**
 *   found → verifying → refused | parked | verified → staging → scanned → awaiting-approval → promoting → imported
 *   a set of volumes that are not all here goes from verified to parked; a new trust or a recall, which brings no payload, from verified to awaiting-approval
 *   from verifying to imported, when a resume finds that all was done but the last word written down
 *   from staging and scanned also → quarantined; by people → rejected, cancelled; by faults → failed, and from failed with `import resume` → verifying, with `import reject` → rejected
 */
export const TRANSITIONS = {
  found: ['verifying', 'cancelled', 'failed', 'refused'],
  verifying: ['verified', 'parked', 'imported', 'refused', 'cancelled', 'failed'],
  parked: ['verifying', 'staging', 'verified', 'refused', 'rejected', 'cancelled', 'failed'],
  verified: ['staging', 'parked', 'awaiting-approval', 'refused', 'rejected', 'cancelled', 'failed'],
  staging: ['scanned', 'parked', 'quarantined', 'refused', 'cancelled', 'failed'],
  scanned: ['awaiting-approval', 'quarantined', 'cancelled', 'failed'],
  quarantined: ['rejected', 'cancelled', 'failed'],
  'awaiting-approval': ['promoting', 'refused', 'rejected', 'cancelled', 'failed'],
  promoting: ['imported', 'refused', 'cancelled', 'failed'],
  imported: [],
  refused: [],
  rejected: [],
  cancelled: [],
  failed: ['verifying', 'rejected'],
} as const satisfies Record<ImportState, readonly ImportState[]>

/** A step that ran again after a kill finds its own state already there. */
export function mayBecome(from: ImportState, to: ImportState): boolean {
  return from === to || (TRANSITIONS[from] as readonly ImportState[]).includes(to)
}

/** What has ended stays as it is; only a failed import can be taken up again, or given up. */
export function hasEnded(state: ImportState): boolean {
  return state === 'imported' || state === 'refused' || state === 'rejected' || state === 'cancelled' || state === 'failed'
}
