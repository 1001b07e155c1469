/**
 * Exit codes of the command line: 0 done · 1 failed · 2 wrong usage · 3 refused by policy · 4 waiting for approval ·
 * 5 appliance not reachable.
 */
export type ExitCode = 0 | 1 | 2 | 3 | 4 | 5

/** One row of an error table: what a code means for a shell, for HTTP, for a retry, and the long story in plain words. */
export type ErrorEntry = { readonly exit: ExitCode; readonly http: number; readonly retryable: boolean; readonly story: string }
