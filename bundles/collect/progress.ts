import { PROGRESS_MS } from './limits.ts'

/** How far a collect is. `total` grows while registries are still being asked. Bytes are those that came over the network or from files. */
export type CollectProgress = { phase: string; done: number; total: number; bytes: number }

export interface Meter {
  phase(name: string): void
  planned(items: number): void
  finished(items: number): void
  received(bytes: number): void
  /** Bytes of downloads that another program makes and that are not received yet. */
  inFlight(bytes: number): void
  stop(): void
}

/** Counts, and tells at least every PROGRESS_MS even while nothing moves, so that a person sees that it lives. */
export function startMeter(tell: (progress: CollectProgress) => void): Meter {
  const now: CollectProgress = { phase: 'resolve', done: 0, total: 0, bytes: 0 }
  let elsewhere = 0
  let shown = 0
  // A file that is taken over counts in both places for a moment; what a person sees never falls.
  const say = () => {
    shown = Math.max(shown, now.bytes + elsewhere)
    tell({ ...now, bytes: shown })
  }
  const timer = setInterval(say, PROGRESS_MS)
  return {
    phase(name) {
      now.phase = name
      say()
    },
    planned(items) {
      now.total += items
    },
    finished(items) {
      now.done += items
    },
    received(bytes) {
      now.bytes += bytes
    },
    inFlight(bytes) {
      elsewhere = bytes
    },
    stop() {
      clearInterval(timer)
      tell({ ...now })
    },
  }
}
