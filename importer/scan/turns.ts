export type Turns = {
  /** At once. What runs between such work is stopped for it. */
  first<T>(work: () => Promise<T>): Promise<T>
  /** When nothing that comes first is under way; stopped for it and begun again, until it has come to its end. */
  between<T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T>
}

/**
 * A scanner with its definitions takes more than a GiB of memory. Two at a time could end the one that people wait for, so an import never
 * waits for a rescan and never shares with it: the rescan's batch gives way and is done again.
 */
export function createTurns(): Turns {
  const firsts = new Set<Promise<unknown>>()
  const batches = new Set<AbortController>()
  return {
    async first(work) {
      for (const batch of batches) batch.abort()
      const running = Promise.try(work)
      const ended = running.catch(() => undefined)
      firsts.add(ended)
      try {
        return await running
      } finally {
        firsts.delete(ended)
      }
    },
    async between(signal, work) {
      for (;;) {
        while (firsts.size > 0) await Promise.race([Promise.all(firsts), abortOf(signal)])
        signal.throwIfAborted()
        const batch = new AbortController()
        batches.add(batch)
        try {
          return await work(AbortSignal.any([signal, batch.signal]))
        } catch (failure) {
          if (signal.aborted || !batch.signal.aborted) throw failure
        } finally {
          batches.delete(batch)
        }
      }
    },
  }
}

/** Rejects when it is aborted. */
function abortOf(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>()
  const stop = (): void => reject(signal.reason)
  if (signal.aborted) stop()
  else signal.addEventListener('abort', stop, { once: true })
  return promise
}
