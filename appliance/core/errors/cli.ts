import type { ErrorEntry } from './entry.ts'

export const CLI_ERRORS = {
  'DD-CLI-001': { exit: 2, http: 400, retryable: false, story: 'The command line was not understood: an unknown noun, verb or option, or an argument that is missing or one too many. `--help` after any noun or verb shows what it takes.' },
  'DD-CLI-002': { exit: 2, http: 400, retryable: false, story: 'The value of an option or argument is not of the form that it needs; the message shows both.' },
  'DD-CLI-003': { exit: 2, http: 400, retryable: false, story: '`drydock explain` was asked for a code that is not in the table.' },
  'DD-CLI-004': { exit: 2, http: 400, retryable: false, story: 'This installation leaves the verb out: the package inside the air gap carries nothing that collects or builds bundles.' },
  'DD-CLI-005': { exit: 5, http: 503, retryable: true, story: 'The appliance did not answer: it is down, still starting, at another address, or its certificate is not one that this machine trusts.' },
  'DD-CLI-006': { exit: 3, http: 400, retryable: false, story: 'The appliance showed another certificate authority than the one that was expected, or none was named. Compare the fingerprint that `drydock init` printed; somebody may stand in between.' },
  'DD-CLI-007': { exit: 2, http: 401, retryable: false, story: 'No appliance is known here: `drydock login` has not been run by this user, or its token has expired.' },
  'DD-CLI-008': { exit: 2, http: 400, retryable: false, story: 'A password is needed and there is nobody to ask: standard input is no terminal. Passwords are never taken from the command line, where other users can see them.' },
  'DD-CLI-009': { exit: 1, http: 502, retryable: false, story: 'The appliance refused with a code that this command line does not know, or answered something that is no answer of an appliance. It is probably newer.' },
  'DD-CLI-010': { exit: 1, http: 404, retryable: false, story: 'The appliance has nothing at this address. A newer command line may be talking to an older appliance.' },
  'DD-CLI-011': { exit: 2, http: 400, retryable: false, story: 'The appliance could not read the request: wrong content type, broken JSON, a header of another form.' },
  'DD-CLI-012': { exit: 1, http: 404, retryable: false, story: 'There is no node or image of this name. What was removed is no longer listed; its history stays in the event log.' },
  'DD-CLI-013': { exit: 4, http: 409, retryable: false, story: 'The import has stopped and waits for a person: to go on after the preflight, or to approve. Nothing of it is served yet.' },
  'DD-CLI-014': { exit: 1, http: 409, retryable: false, story: 'A long action ended without being done: it was cancelled, or another one took its place.' },
  'DD-CLI-015': { exit: 1, http: 500, retryable: false, story: 'A file or folder that the command names or needs cannot be opened; the message says which, and why.' },
} as const satisfies Record<string, ErrorEntry>
