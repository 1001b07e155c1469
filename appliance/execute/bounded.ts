/** Runs `work` over all items, at most `limit` at a time, and waits for all. `work` must not reject. */
export async function eachBounded<T>(items: readonly T[], limit: number, work: (item: T) => Promise<void>): Promise<void> {
  let next = 0
  async function lane(): Promise<void> {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await work(item)
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, lane))
}

/** A gate that lets `limit` through at once; the others wait in line. */
export function gate(limit: number): <T>(work: () => Promise<T>) => Promise<T> {
  let free = limit
  const line: (() => void)[] = []
  return async work => {
    if (free > 0) free -= 1
    else {
      const { promise, resolve } = Promise.withResolvers<void>()
      line.push(resolve)
      await promise
    }
    try {
      return await work()
    } finally {
      const waiting = line.shift()
      if (waiting === undefined) free += 1
      else waiting()
    }
  }
}
