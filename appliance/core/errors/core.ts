import type { ErrorEntry } from './entry.ts'

export const CORE_ERRORS = {
  'DD-CORE-001': { exit: 1, http: 500, retryable: false, story: 'A fault inside Drydock that has no code of its own. The log holds the cause.' },
  'DD-CORE-002': { exit: 1, http: 507, retryable: true, story: 'The disk is full. The step was undone or will be resumed; space held in reserve keeps audit and state writable.' },
  'DD-CORE-003': { exit: 1, http: 500, retryable: true, story: 'The kernel reported an I/O error while reading or writing. What was not verified was not kept.' },
  'DD-CORE-004': { exit: 1, http: 500, retryable: false, story: 'A digest was not of the form sha256:<64 hex digits>.' },
  'DD-CORE-005': { exit: 1, http: 500, retryable: false, story: 'Bytes that were written or read do not have the digest they were named by.' },
  'DD-CORE-006': { exit: 1, http: 500, retryable: true, story: 'A program that Drydock runs ended with a failure; its last lines are in the log.' },
  'DD-CORE-007': { exit: 1, http: 499, retryable: true, story: 'The work was cancelled by a person or by a shutdown before it was done.' },
  'DD-CORE-008': { exit: 1, http: 500, retryable: false, story: 'A program that Drydock needs is not installed. The message names the program and the Debian package.' },
  'DD-CORE-009': { exit: 2, http: 400, retryable: false, story: 'A document does not have the shape of its schema: the message names the field.' },
  'DD-CORE-010': { exit: 1, http: 413, retryable: false, story: 'Something is larger than its named limit: the message shows measured and allowed.' },
  'DD-CORE-011': { exit: 1, http: 500, retryable: false, story: 'The kernel denied access to a file or folder: the user that runs Drydock may not read or write there.' },
} as const satisfies Record<string, ErrorEntry>
