import type { Schedule } from './relay-file.ts'

/** After a failure the next try comes sooner than the schedule says: a minute, two, four … but never later than the schedule itself. */
const FIRST_RETRY_MS = 60_000
const LONGEST_RETRY_MS = 3_600_000
const DAY_MS = 86_400_000

/** When the next round begins. Pure. `began` is when the last one did, undefined for none; `failures` how many failed since a good one. */
export function nextRound(schedule: Schedule, now: Date, began: Date | undefined, failures: number): Date {
  const planned = began === undefined && 'everyMs' in schedule ? now : byPlan(schedule, now, began)
  if (failures === 0) return planned
  const retry = new Date(now.getTime() + Math.min(FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 16), LONGEST_RETRY_MS))
  return retry < planned ? retry : planned
}

function byPlan(schedule: Schedule, now: Date, began: Date | undefined): Date {
  if ('everyMs' in schedule) return new Date(Math.max(now.getTime(), (began ?? now).getTime() + schedule.everyMs))
  const midnight = Math.floor(now.getTime() / DAY_MS) * DAY_MS
  const times = schedule.at.map(text => midnight + (Number(text.slice(0, 2)) * 60 + Number(text.slice(3))) * 60_000)
  return new Date(times.find(time => time > now.getTime()) ?? times[0]! + DAY_MS)
}
