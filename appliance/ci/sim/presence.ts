import type { SimCiStore, StoredAgent } from './store.ts'
import type { SimJob } from './wire.ts'

/**
 * Who is there, and who waits for a job. In memory: after a restart of the server an agent is offline until it asks again.
 * An agent that asks while it has a job never got the answer, and is given the same job again.
 */
export class Presence {
  readonly #store: SimCiStore
  readonly #onlineMilliseconds: number
  readonly #now: () => number
  readonly #lastSeen = new Map<string, number>()
  readonly #waiting = new Map<string, (job: SimJob | null) => void>()

  constructor(store: SimCiStore, onlineMilliseconds: number, now: () => number) {
    this.#store = store
    this.#onlineMilliseconds = onlineMilliseconds
    this.#now = now
  }

  seen(agent: StoredAgent): void {
    this.#lastSeen.set(agent.id, this.#now())
  }

  forget(agent: StoredAgent): void {
    this.#lastSeen.delete(agent.id)
    this.#waiting.get(agent.id)?.(null)
  }

  /** It asks now, it asked a moment ago, or it is busy (then it cannot ask). */
  online(agent: StoredAgent, busy: boolean): boolean {
    return busy || this.#waiting.has(agent.id) || this.#now() - (this.#lastSeen.get(agent.id) ?? -Infinity) < this.#onlineMilliseconds
  }

  /** Resolves with a job, or with null after so many milliseconds or when the caller has gone. */
  async next(agent: StoredAgent, milliseconds: number, gone: AbortSignal): Promise<SimJob | null> {
    this.seen(agent)
    const again = this.#store.running(agent)
    if (again !== undefined) return again
    this.#waiting.get(agent.id)?.(null)
    const { promise, resolve } = Promise.withResolvers<SimJob | null>()
    const timer = setTimeout(resolve, milliseconds, null)
    const left = (): void => resolve(null)
    gone.addEventListener('abort', left)
    this.#waiting.set(agent.id, resolve)
    this.dispatch()
    const job = await promise
    clearTimeout(timer)
    gone.removeEventListener('abort', left)
    if (this.#waiting.get(agent.id) === resolve) this.#waiting.delete(agent.id)
    if (!gone.aborted) this.seen(agent)
    return job
  }

  /** Gives queued jobs to those who wait and are not quiesced. */
  dispatch(): void {
    for (const [id, give] of this.#waiting) {
      const agent = this.#store.agent(id)
      const job = agent === undefined || agent.quiesced ? undefined : this.#store.assign(agent)
      if (job === undefined) continue
      this.#waiting.delete(id)
      give(job)
    }
  }

  releaseAll(): void {
    for (const give of this.#waiting.values()) give(null)
  }
}
