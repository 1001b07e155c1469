/** Runs at most `most` pieces of work at once; the rest wait in the order in which they came. */
export type Limiter = <T>(work: () => Promise<T>) => Promise<T>

export function limiter(most: number): Limiter {
  const waiting: (() => void)[] = []
  let free = most
  return async work => {
    if (free > 0) free--
    else await new Promise<void>(resolve => waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next === undefined) free++
      else next()
    }
  }
}

/**
 * Like Promise.all, but when one fails the others are told to stop and are waited for: nothing runs on behind the error, and the
 * error is the one that came first, never a cancellation that it caused.
 * @param work gets the signal that its pieces must heed.
 */
export async function allOrStop<T>(parent: AbortSignal, work: (signal: AbortSignal) => Iterable<Promise<T>>): Promise<T[]> {
  const stop = new AbortController()
  let first: { failure: unknown } | undefined
  const results = await Promise.allSettled(
    [...work(AbortSignal.any([parent, stop.signal]))].map(async piece => {
      try {
        return await piece
      } catch (failure) {
        first ??= { failure }
        stop.abort()
        throw failure
      }
    }),
  )
  if (first !== undefined) throw first.failure
  return results.map(result => (result as PromiseFulfilledResult<T>).value)
}
