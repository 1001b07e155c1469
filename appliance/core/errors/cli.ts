import type { ErrorEntry } from './entry.ts'

export const CLI_ERRORS = {
  'DD-CLI-001': { exit: 2, http: 400, retryable: false, story: 'The command line was not understood: an unknown noun, verb or option, or an argument that is missing or one too many. `--help` after any noun or verb shows what it takes.' },
  'DD-CLI-002': { exit: 2, http: 400, retryable: false, story: 'The value of an option or argument is not of the form that it needs; the message shows both.' },
  'DD-CLI-003': { exit: 2, http: 400, retryable: false, story: '`drydock explain` was asked for a code that is not in the table.' },
  'DD-CLI-004': { exit: 2, http: 400, retryable: false, story: 'This installation leaves the verb out: the package inside the air gap carries nothing that collects or builds bundles.' },
} as const satisfies Record<string, ErrorEntry>
