/** Exit code of a program that was ended by Ctrl-C (128 + SIGINT). */
const INTERRUPTED = 130

/** Runs long work whose signal Ctrl-C and SIGTERM abort; the caller's `finally` then leaves nothing half-written. */
export async function untilInterrupted<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stop = new AbortController()
  const interrupt = (): void => {
    process.exitCode = INTERRUPTED
    stop.abort()
  }
  process.once('SIGINT', interrupt)
  process.once('SIGTERM', interrupt)
  try {
    return await work(stop.signal)
  } catch (failure) {
    stop.signal.throwIfAborted()
    throw failure
  } finally {
    process.removeListener('SIGINT', interrupt)
    process.removeListener('SIGTERM', interrupt)
  }
}
