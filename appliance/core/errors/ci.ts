import type { ErrorEntry } from './entry.ts'

export const CI_ERRORS = {
  'DD-CI-001': { exit: 1, http: 502, retryable: true, story: 'The CI server did not answer. Nothing is known of its jobs, so no node counts as idle until it does.' },
  'DD-CI-002': { exit: 1, http: 502, retryable: false, story: 'The CI server refused the credentials of its connection.' },
  'DD-CI-003': { exit: 1, http: 404, retryable: false, story: 'The CI server has no agent for this node; it was removed there, or never enrolled.' },
  'DD-CI-004': { exit: 1, http: 502, retryable: true, story: 'The CI server answered with something that this connector does not understand.' },
} as const satisfies Record<string, ErrorEntry>
