import type { ErrorEntry } from './entry.ts'

export const CI_ERRORS = {
} as const satisfies Record<string, ErrorEntry>
