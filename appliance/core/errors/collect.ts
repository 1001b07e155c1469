import type { ErrorEntry } from './entry.ts'

export const COLLECT_ERRORS = {
} as const satisfies Record<string, ErrorEntry>
