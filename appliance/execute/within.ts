/**
 * Runs `work` with a signal that fires when `signal` does or when the time is over. Nothing is left behind: `AbortSignal.any` over
 * `AbortSignal.timeout` would keep a timer and a link to the long-lived signal for every call.
 */
export async function within<T>(signal: AbortSignal, milliseconds: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const abort = (): void => controller.abort(signal.reason)
  const timer = setTimeout(() => controller.abort(), milliseconds)
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  try {
    return await work(controller.signal)
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', abort)
  }
}
