import type { ErrorEntry } from './entry.ts'

export const BUNDLE_ERRORS = {
  'DD-BUNDLE-001': { exit: 1, http: 500, retryable: false, story: 'Something that canonical JSON (RFC 8785) cannot express was about to be written into a document that must have one spelling.' },
} as const satisfies Record<string, ErrorEntry>
