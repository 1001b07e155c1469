import type { ErrorEntry } from './entry.ts'

export const CLI_ERRORS = {
  'DD-CLI-001': { exit: 2, http: 400, retryable: false, story: 'The command line was not understood: an unknown noun, verb or option, or an argument that is missing or one too many. `--help` after any noun or verb shows what it takes.' },
  'DD-CLI-002': { exit: 2, http: 400, retryable: false, story: 'The value of an option or argument is not of the form that it needs; the message shows both.' },
  'DD-CLI-003': { exit: 2, http: 400, retryable: false, story: '`drydock explain` was asked for a code that is not in the table.' },
  'DD-CLI-004': { exit: 2, http: 400, retryable: false, story: 'This installation leaves the verb out: the package inside the air gap carries nothing that collects or builds bundles.' },
  'DD-CLI-005': { exit: 5, http: 503, retryable: true, story: 'The appliance did not answer: it is down, still starting, at another address, or its certificate is not one that this machine trusts.' },
  'DD-CLI-010': { exit: 1, http: 404, retryable: false, story: 'The appliance has nothing at this address. A newer command line may be talking to an older appliance.' },
  'DD-CLI-011': { exit: 2, http: 400, retryable: false, story: 'The appliance could not read the request: wrong content type, broken JSON, a header of another form.' },
  'DD-CLI-012': { exit: 1, http: 404, retryable: false, story: 'There is no node or image of this name. What was removed is no longer listed; its history stays in the event log.' },
} as const satisfies Record<string, ErrorEntry>
