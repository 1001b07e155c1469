import type { ErrorEntry } from './entry.ts'

export const IMPORT_ERRORS = {
  'DD-IMPORT-001': { exit: 3, http: 422, retryable: false, story: 'The bundle was built for another site. A bundle for every site says `*`.' },
  'DD-IMPORT-002': { exit: 1, http: 404, retryable: false, story: 'There is no import of this id or sequence.' },
  'DD-IMPORT-003': { exit: 3, http: 409, retryable: false, story: 'The sequence is not above the last one that was imported of this stream. Old bundles are never imported again: that would bring back what was withdrawn or fixed.' },
  'DD-IMPORT-004': { exit: 3, http: 409, retryable: false, story: 'The bundle is from an earlier epoch of its stream.' },
  'DD-IMPORT-005': { exit: 3, http: 409, retryable: false, story: 'Two workspaces on the connected side number the same stream. Only the first one is followed, until it starts a new epoch.' },
  'DD-IMPORT-006': { exit: 2, http: 409, retryable: false, story: 'The import is not in a state in which this can be done; the message names the state.' },
  'DD-IMPORT-007': { exit: 3, http: 403, retryable: false, story: 'Who submitted an import may not approve it, and nobody approves twice: approval is by other people.' },
  'DD-IMPORT-008': { exit: 3, http: 409, retryable: false, story: 'A person rejected the import; the reason is recorded.' },
  'DD-IMPORT-009': { exit: 3, http: 422, retryable: false, story: 'What the bytes say is not what the sender claimed, or policy blocks it: the import is quarantined and the findings name the items.' },
  'DD-IMPORT-011': { exit: 1, http: 500, retryable: true, story: 'The confined process that unpacks bundles ended without a word: killed, out of memory, or not able to start.' },
  'DD-IMPORT-012': { exit: 1, http: 507, retryable: true, story: 'There is not enough free space for what the bundle brings, with a margin for indexes and state.' },
  'DD-IMPORT-013': { exit: 2, http: 404, retryable: false, story: 'The path is not a plain file under a configured media root.' },
  'DD-IMPORT-014': { exit: 4, http: 409, retryable: false, story: 'There is no receipt yet: the import is not finished.' },
  'DD-IMPORT-015': { exit: 1, http: 500, retryable: false, story: 'The anti-rollback marks are missing or damaged. Going on without them would allow old bundles to come in again.' },
  'DD-IMPORT-016': { exit: 1, http: 500, retryable: false, story: 'The kernel or the processor is one for which no sandbox is known; bundles are never unpacked without it.' },
  'DD-IMPORT-017': { exit: 1, http: 500, retryable: true, story: 'The source was replaced or changed while it was imported: its first bytes are no longer the ones that were verified.' },
  'DD-IMPORT-018': { exit: 3, http: 409, retryable: false, story: 'A volume came a second time: the import of its bundle has it already. Volumes are told by their signed manifest and first entry, not by their names.' },
} as const satisfies Record<string, ErrorEntry>
