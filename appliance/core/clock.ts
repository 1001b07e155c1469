/** Time as an input: nothing below main calls `new Date()` by itself. */
export interface Clock {
  now(): Date
}

/** The machine's own clock, for composition roots; the appliance wraps it in trusted time. */
export const wallClock: Clock = { now: () => new Date() }
