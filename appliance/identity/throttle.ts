import type { Clock } from '../core/clock.ts'
import { DrydockError } from '../core/error.ts'

/** Wrong passwords that cost no wait: for one name from one address, and for one address over all names. */
const FREE = { name: 5, address: 20 } as const
const FIRST_WAIT_MS = 1000
const LONGEST_WAIT_MS = 60_000
/** A row is forgotten when nothing went wrong for this long. */
const FORGET_MS = 15 * 60_000
/** Rows that are kept; when they are used up the oldest goes. */
const ROWS = 10_000

type Row = { failures: number; at: number }

/**
 * Slows down guessing. By name *and* address, so that a stranger cannot lock somebody else out; by address alone, so that
 * trying many names does not help.
 */
export class Throttle {
  readonly #rows = new Map<string, Row>()
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * Counts an attempt as wrong before its password is looked at, so that many at once are not all let through; `succeeded` takes it back.
   * @throws DD-IDENT-002 while this name or this address has to wait. Costs nothing, so it comes before the hash.
   */
  attempt(name: string, address: string): void {
    const wait = Math.max(this.#wait(`${address} ${name}`, FREE.name), this.#wait(address, FREE.address))
    if (wait > 0) throw new DrydockError('DD-IDENT-002', `expected fewer wrong passwords in a row, found too many for ${JSON.stringify(name)} or from ${address}`, `wait ${Math.ceil(wait / 1000)} s and try again`)
    for (const key of [`${address} ${name}`, address]) this.#put(key, (this.#fresh(key)?.failures ?? 0) + 1)
  }

  succeeded(name: string, address: string): void {
    this.#rows.delete(`${address} ${name}`)
    const row = this.#rows.get(address)
    if (row !== undefined) row.failures = Math.max(0, row.failures - 1)
  }

  /** Behind all others, so that the first row is always the oldest. */
  #put(key: string, failures: number): void {
    this.#rows.delete(key)
    this.#rows.set(key, { failures, at: this.#clock.now().getTime() })
    const oldest = this.#rows.keys().next().value
    if (this.#rows.size > ROWS && oldest !== undefined) this.#rows.delete(oldest)
  }

  #fresh(key: string): Row | undefined {
    const row = this.#rows.get(key)
    return row === undefined || this.#clock.now().getTime() - row.at > FORGET_MS ? undefined : row
  }

  #wait(key: string, free: number): number {
    const row = this.#fresh(key)
    if (row === undefined || row.failures < free) return 0
    return row.at + Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(16, row.failures - free)) - this.#clock.now().getTime()
  }
}
