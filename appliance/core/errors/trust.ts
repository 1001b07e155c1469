import type { ErrorEntry } from './entry.ts'

export const TRUST_ERRORS = {
} as const satisfies Record<string, ErrorEntry>
