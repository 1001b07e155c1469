import type { ErrorEntry } from './entry.ts'

export const IMPORT_ERRORS = {
} as const satisfies Record<string, ErrorEntry>
