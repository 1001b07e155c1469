import { randomBytes } from 'node:crypto'
import type { Clock } from '../core/clock.ts'
import { digestOf } from '../core/digest.ts'
import type { UserRole } from '../model/view.ts'

const MINUTE = 60_000
/** A session that is not used for this long has ended. */
export const IDLE_MS: Record<UserRole, number> = { viewer: 15 * MINUTE, operator: 15 * MINUTE, approver: 15 * MINUTE, admin: 10 * MINUTE }
/** However busy, a person signs in again after this long. */
export const LONGEST_SESSION_MS = 12 * 60 * MINUTE
/** Sessions of one user at a time; the longest idle one ends for a new one. */
const PER_USER = 16

type Row = { user: string; startedAt: number; usedAt: number }

/**
 * Who is signed in with a browser. In memory on purpose: a restart signs everybody out, and no file or backup holds a session. Only the
 * SHA-256 of a credential is kept, so that a look into memory or a core dump gives nobody a session.
 */
export class Sessions {
  readonly #rows = new Map<string, Row>()
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  start(user: string): string {
    const mine = [...this.#rows].filter(([, row]) => row.user === user).toSorted(([, a], [, b]) => a.usedAt - b.usedAt)
    for (const [key] of mine.slice(0, Math.max(0, mine.length - PER_USER + 1))) this.#rows.delete(key)
    const credential = randomBytes(32).toString('base64url')
    const now = this.#clock.now().getTime()
    this.#rows.set(digestOf(credential), { user, startedAt: now, usedAt: now })
    return credential
  }

  /** @param roleOf tells the user's role now; undefined ends the session. */
  find(credential: string, roleOf: (user: string) => UserRole | undefined, touch: boolean): { user: string; expiresAt: Date } | undefined {
    const key = digestOf(credential)
    const row = this.#rows.get(key)
    const role = row === undefined ? undefined : roleOf(row.user)
    if (row === undefined || role === undefined) {
      this.#rows.delete(key)
      return undefined
    }
    const now = this.#clock.now().getTime()
    const ends = () => Math.min(row.usedAt + IDLE_MS[role], row.startedAt + LONGEST_SESSION_MS)
    if (now >= ends()) {
      this.#rows.delete(key)
      return undefined
    }
    if (touch) row.usedAt = now
    return { user: row.user, expiresAt: new Date(ends()) }
  }

  end(credential: string): void {
    this.#rows.delete(digestOf(credential))
  }

  endAllOf(user: string, but = ''): void {
    const kept = digestOf(but)
    for (const [key, row] of this.#rows) if (row.user === user && key !== kept) this.#rows.delete(key)
  }
}
