import { setTimeout as sleep } from 'node:timers/promises'
import { DrydockError } from '../core/error.ts'

/** @throws DD-CORE-007 when the caller has given up. */
export function unlessGivenUp(signal: AbortSignal, what: string): void {
  if (signal.aborted) throw new DrydockError('DD-CORE-007', `expected to ${what}, found it cancelled`, 'the next attempt goes on from here')
}

/** Sleeps. @throws DD-CORE-007 when the caller gives up meanwhile. */
export async function pause(milliseconds: number, signal: AbortSignal, what: string): Promise<void> {
  unlessGivenUp(signal, what)
  await sleep(milliseconds, undefined, { signal }).catch(() => undefined)
  unlessGivenUp(signal, what)
}

/** Runs calls for one key one after the other; calls for different keys side by side. */
export function oneAtATime(): <T>(key: string, work: () => Promise<T>) => Promise<T> {
  const tails = new Map<string, Promise<unknown>>()
  return async (key, work) => {
    const before = tails.get(key) ?? Promise.resolve()
    const mine = before.then(work, work)
    tails.set(key, mine)
    try {
      return await mine
    } finally {
      if (tails.get(key) === mine) tails.delete(key)
    }
  }
}
