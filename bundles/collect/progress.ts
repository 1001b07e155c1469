import { startPace } from '../../appliance/core/pace.ts'
import { PROGRESS_MS } from './limits.ts'

/**
 * How far a collect is. `total` grows while registries are still being asked. Bytes are those that came over the network or from files.
 * `totalBytes` is null until it is known of everything what is still to come, `etaSeconds` while that cannot even be estimated.
 */
export type CollectProgress = { phase: string; done: number; total: number; bytes: number; totalBytes: number | null; bytesPerSecond: number | null; etaSeconds: number | null }

/** Bytes that are to come for one thing. Until `left` is called for the first time it is not known how many. */
export type Coming = { left(bytes: number): void; end(): void }

/** Tells what is left of a body of which so many bytes are expected. */
export async function* counted(body: AsyncIterable<Buffer>, expected: number | undefined, coming: Coming): AsyncGenerator<Buffer> {
  let left = expected
  if (left !== undefined) coming.left(left)
  for await (const chunk of body) {
    yield chunk
    if (left !== undefined) coming.left((left = Math.max(0, left - chunk.length)))
  }
}

export interface Meter {
  /** Tells now, not only at the next interval. */
  tell(): void
  planned(items: number): void
  finished(items: number): void
  received(bytes: number): void
  /** Bytes of downloads that another program makes and that are not received yet. */
  inFlight(bytes: number): void
  coming(): Coming
  /** A kind finds out what it will fetch: nothing can be said of the whole before the returned function is called. */
  resolving(): () => void
  stop(): void
}

type Open = { left: number | undefined; most: number }

/** Counts, and tells at least every PROGRESS_MS even while nothing moves, so that a person sees that it lives. */
export function startMeter(tell: (progress: CollectProgress) => void, now?: () => number): Meter {
  const told = { done: 0, total: 0, bytes: 0 }
  const pace = startPace(now)
  const open = new Set<Open>()
  /** Of what came and ended: how large such things are. */
  const ended = { count: 0, bytes: 0 }
  let resolving = 0
  let elsewhere = 0
  let shown = 0

  const phase = (): string => (told.total === 0 ? 'resolve' : 'fetch')

  /** What is still to come: exactly, where everything has a size, else by the mean of what came. */
  function outstanding(): { bytes: number; exact: boolean } | undefined {
    let bytes = 0
    let unknown = 0
    for (const { left } of open) {
      if (left === undefined) unknown++
      else bytes += left
    }
    bytes = Math.max(0, bytes - elsewhere)
    if (resolving > 0) return undefined
    if (unknown === 0) return { bytes, exact: true }
    return ended.count === 0 ? undefined : { bytes: bytes + unknown * (ended.bytes / ended.count), exact: false }
  }
  const say = () => {
    // A file that is taken over counts in both places for a moment; what a person sees never falls.
    shown = Math.max(shown, told.bytes + elsewhere)
    pace.saw(shown)
    const rest = outstanding()
    const speed = pace.perSecond()
    tell({
      ...told, phase: phase(), bytes: shown,
      totalBytes: rest?.exact === true ? shown + rest.bytes : null,
      bytesPerSecond: speed === undefined ? null : Math.round(speed),
      etaSeconds: rest === undefined || (rest.bytes === 0 && told.done < told.total) ? null : pace.secondsFor(rest.bytes),
    })
  }
  const timer = setInterval(say, PROGRESS_MS)
  return {
    tell: say,
    planned(items) {
      told.total += items
    },
    finished(items) {
      told.done += items
    },
    received(bytes) {
      told.bytes += bytes
    },
    inFlight(bytes) {
      elsewhere = bytes
    },
    coming() {
      const one: Open = { left: undefined, most: 0 }
      open.add(one)
      return {
        left(bytes) {
          one.left = bytes
          one.most = Math.max(one.most, bytes)
        },
        end() {
          if (!open.delete(one)) return
          ended.count++
          ended.bytes += one.most
        },
      }
    },
    resolving() {
      let isOpen = true
      resolving++
      return () => {
        if (isOpen) resolving--
        isOpen = false
      }
    },
    stop() {
      clearInterval(timer)
      shown = told.bytes
      tell({ ...told, phase: phase(), totalBytes: told.bytes, bytesPerSecond: null, etaSeconds: 0 })
    },
  }
}
