import type { ErrorEntry } from './entry.ts'

export const STATE_ERRORS = {
} as const satisfies Record<string, ErrorEntry>
