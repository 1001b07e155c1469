import type { ErrorEntry } from './entry.ts'

export const POOL_ERRORS = {
} as const satisfies Record<string, ErrorEntry>
