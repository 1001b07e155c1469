/** Structured log lines. Fields are facts, never sentences; secrets never come here. pino satisfies it. */
export interface Log {
  debug(fields: Record<string, unknown>, message: string): void
  info(fields: Record<string, unknown>, message: string): void
  warn(fields: Record<string, unknown>, message: string): void
  error(fields: Record<string, unknown>, message: string): void
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} }
