import type { ErrorEntry } from './entry.ts'

export const STATE_ERRORS = {
  'DD-STATE-001': { exit: 1, http: 500, retryable: false, story: 'The folder is not a Drydock data folder: `init` has not been run there, or it was cut off before its last step. `drydock init` can be run (again).' },
  'DD-STATE-002': { exit: 1, http: 500, retryable: false, story: 'The data folder was written by a newer Drydock. An older one never touches it: start the newer one again, or restore a backup from before the upgrade.' },
  'DD-STATE-003': { exit: 1, http: 409, retryable: true, story: 'Another process has the data folder open. There is one writer; two would lose each other\'s decisions.' },
  'DD-STATE-004': { exit: 1, http: 500, retryable: false, story: 'The desired state is missing on an appliance that was initialised. Starting empty would remove every pool, so it does not start. Restore state/ from a backup.' },
  'DD-STATE-005': { exit: 1, http: 500, retryable: false, story: 'Neither copy of the desired state is whole: each is torn, altered, or not a plain file. Nothing is guessed. Restore state/ from a backup.' },
  'DD-STATE-006': { exit: 1, http: 500, retryable: false, story: 'The disk refused to confirm a write of desired state (fsync). What is on it is unknown, so the process stops at once and opens what is whole at its next start.' },
  'DD-STATE-007': { exit: 1, http: 500, retryable: false, story: 'A change of desired state would have broken its own schema. Nothing was written.' },
  'DD-STATE-008': { exit: 1, http: 500, retryable: false, story: 'A database in db/ is missing, damaged, or was written by a newer Drydock. Starting with an empty one would forget the audit log and which machines are ours, so it does not start.' },
  'DD-STATE-009': { exit: 1, http: 500, retryable: false, story: 'A secret cannot be opened: its key file is missing or belongs to another appliance, or the secret was altered.' },
  'DD-STATE-010': { exit: 1, http: 503, retryable: true, story: 'The audit record could not be written, so the action was refused. Audit comes first.' },
  'DD-STATE-011': { exit: 1, http: 500, retryable: false, story: 'The audit log is not what was written: a record was edited, removed, moved, or the chain was made again. The message says where.' },
  'DD-STATE-012': { exit: 1, http: 404, retryable: false, story: 'There is no operation of this id on this appliance.' },
  'DD-STATE-013': { exit: 1, http: 409, retryable: false, story: 'The idempotency key was used before for another request. One key names one request.' },
  'DD-STATE-014': { exit: 1, http: 409, retryable: false, story: 'The operation does not wait for this, or it has ended already.' },
  'DD-STATE-015': { exit: 1, http: 500, retryable: false, story: 'The journal holds an operation of a kind that this build does not know. It is kept as it is; a build that knows the kind goes on with it.' },
  'DD-STATE-016': { exit: 2, http: 409, retryable: false, story: '`init` was asked to make an appliance in a folder that holds something already. It never writes over anything.' },
  'DD-STATE-017': { exit: 2, http: 500, retryable: false, story: 'The configuration (drydock.yaml, DRYDOCK_* or flags) has a value that cannot be used. The message names it.' },
  'DD-STATE-018': { exit: 1, http: 500, retryable: true, story: 'The port is taken by another program, or may not be used by this user.' },
  'DD-STATE-019': { exit: 3, http: 403, retryable: false, story: 'First trust must be confirmed by a person: the digest of trust.json or the fingerprints typed in do not match the file.' },
} as const satisfies Record<string, ErrorEntry>
