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

/** Like Promise.all, but when one fails the others are told to stop and are waited for: nothing runs on behind the error. */
export async function allOrStop<T>(stop: AbortController, work: Iterable<Promise<T>>): Promise<T[]> {
  let first: { failure: unknown } | undefined
  const results = await Promise.allSettled(
    [...work].map(async piece => {
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
