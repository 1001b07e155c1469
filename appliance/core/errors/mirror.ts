import type { ErrorEntry } from './entry.ts'

export const MIRROR_ERRORS = {
} as const satisfies Record<string, ErrorEntry>
