import type { ErrorEntry } from './entry.ts'

export const HYPERVISOR_ERRORS = {
} as const satisfies Record<string, ErrorEntry>
