/** How much of the past counts, and how much of it must be there before anything is said: a first second says nothing about an hour. */
const WINDOW_MS = 20_000
const LEAST_MS = 2_000
/** Longer than this is no forecast but a stall. */
const FORECAST_SECONDS = 7 * 24 * 3600

/** How fast something goes, by its last seconds: the bytes of a whole night would hide that the line broke down a minute ago. */
export type Pace = {
  /** What is done now; never less than before. */
  saw(done: number): void
  /** A second; undefined while too little was seen. */
  perSecond(): number | undefined
  /** Whole seconds until so much more is done; null when that cannot be said. */
  secondsFor(left: number): number | null
}

export function startPace(now: () => number = () => performance.now()): Pace {
  let seen: { at: number; done: number }[] = []
  const perSecond = (): number | undefined => {
    const [first, last] = [seen[0], seen.at(-1)]
    // Up to this moment, so that silence counts too.
    const milliseconds = first === undefined ? 0 : now() - first.at
    return first === undefined || last === undefined || milliseconds < LEAST_MS ? undefined : ((last.done - first.done) / milliseconds) * 1000
  }
  return {
    saw(done) {
      const at = now()
      // The newest that is too old stays: the window is never shorter than what was seen.
      const old = seen.findLastIndex(each => at - each.at > WINDOW_MS)
      if (old > 0) seen = seen.slice(old)
      const last = seen.at(-1)
      // A caller that tells every entry costs no more than one that tells twice a second.
      if (seen.length > 1 && last !== undefined && at - last.at < 250) last.done = done
      else seen.push({ at, done })
    },
    perSecond,
    secondsFor(left) {
      const speed = perSecond()
      if (left <= 0) return 0
      if (speed === undefined || speed <= 0) return null
      const seconds = Math.ceil(left / speed)
      return seconds > FORECAST_SECONDS ? null : seconds
    },
  }
}
