import type { Clock } from '../core/clock.ts'

/** The audit log alone may lift the floor by at most this: one wrong clock must not expire every key for ever. Milliseconds. */
export const FLOOR_RISE = 90 * 24 * 60 * 60 * 1000

/**
 * Trusted time: the wall clock, but never before what this appliance has already seen. The floor is the later of the build and the newest
 * accepted bundle (whose mark is outside the data folder, so that restoring a backup does not turn time back), and the last audit record
 * as far as it is no more than FLOOR_RISE above those two.
 */
export interface TrustedTime extends Clock {
  floor(): Date
  /** What the machine's clock says when that is before the floor: then the clock is wrong, not the signature. */
  wrongClock(): { wall: Date; floor: Date } | null
  /** How far what is accepted now may lift the floor without two people: now, but no more than FLOOR_RISE above where it stands. */
  riseTo(): Date
}

export type TrustedTimeOptions = {
  wall: Clock
  build: Date
  /** When the newest bundle was accepted; asked for each time. */
  newestBundle: () => Date | undefined
  lastAudit: Date | undefined | (() => Date | undefined)
}

export function trustedTime({ wall, build, newestBundle, lastAudit }: TrustedTimeOptions): TrustedTime {
  const floor = (): Date => {
    const sure = Math.max(build.getTime(), newestBundle()?.getTime() ?? 0)
    return new Date(Math.max(sure, Math.min((typeof lastAudit === 'function' ? lastAudit() : lastAudit)?.getTime() ?? 0, sure + FLOOR_RISE)))
  }
  const wrongClock = (): { wall: Date; floor: Date } | null => {
    const now = wall.now()
    const least = floor()
    return now < least ? { wall: now, floor: least } : null
  }
  return {
    floor,
    wrongClock,
    riseTo: () => new Date(Math.max(floor().getTime(), Math.min(wall.now().getTime(), floor().getTime() + FLOOR_RISE))),
    now: () => new Date(Math.max(wall.now().getTime(), floor().getTime())),
  }
}
