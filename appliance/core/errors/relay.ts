import type { ErrorEntry } from './entry.ts'

/** The relay of the connected side. */
export const RELAY_ERRORS = {
  'DD-RELAY-001': { exit: 2, http: 400, retryable: false, story: 'The relay file cannot be read, is not YAML, or contradicts itself, or what it sent so far lies elsewhere than it says now. Nothing was fetched.' },
  'DD-RELAY-002': { exit: 1, http: 409, retryable: true, story: 'Another relay works in this workspace. One relay serves one workspace, because two would number the same stream.' },
  'DD-RELAY-003': { exit: 3, http: 403, retryable: false, story: 'A key that the relay signs with is no release key of the trust document: the appliance would refuse every bundle of it.' },
  'DD-RELAY-004': { exit: 1, http: 500, retryable: true, story: 'The watch folder is not there. The relay never makes it: where a mount is missing, bundles would fill the wrong disk and reach nobody.' },
  'DD-RELAY-005': { exit: 4, http: 409, retryable: false, story: 'A bundle waits in the outbox for signatures of other people. When enough of them have signed, the relay drops it by itself.' },
} as const satisfies Record<string, ErrorEntry>
