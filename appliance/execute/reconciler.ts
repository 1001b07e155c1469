import { asDrydockError } from '../core/error.ts'
import type { NodeRecord } from '../model/node.ts'
import type { Plan, Wait } from '../model/plan.ts'
import type { PoolRecord } from '../model/pool.ts'
import { check } from '../plan/check.ts'
import { plan } from '../plan/plan.ts'
import { gate } from './bounded.ts'
import { executePlan, type StepResult } from './execute-plan.ts'
import { createFailureMemory } from './failure-memory.ts'
import { KICK_GAP_MS, LAST_BACKOFF_MS, MOVING_INTERVAL_MS, POOLS_AT_ONCE, RESTING_INTERVAL_MS, SHARED_OBSERVATION_MS } from './limits.ts'
import { createMemoryLedger } from './memory-ledger.ts'
import { observe, type Observer } from './observe.ts'
import { specOf } from './planned-revision.ts'
import type { Effects, ReconcilerDeps } from './ports.ts'
import { createSightings } from './sightings.ts'

export type Reconciler = {
  /** Looks at one pool, or at all, as soon as it can. */
  kick(pool?: string): void
  /** The last plan of a pool, for those who show it. */
  lastPlan(pool: string): Plan | undefined
  /** How often a pool was looked at since the start. */
  readonly passes: number
  /** Ends after the steps that are under way; they are told to give up. */
  stop(): Promise<void>
}

/** One pool's place in the loop. `startedAt` and `steppedAt` are of performance.now(). */
type Turn = { timer: NodeJS.Timeout | null; running: Promise<void> | null; again: boolean; faults: number; startedAt: number; steppedAt: number; lastSteps: string }

/**
 * The level-triggered loop: observe → plan → check → execute one attempt → again. It holds no state that a restart would miss: what it
 * keeps in memory is only what it has seen. One look at a pool at a time; several pools side by side.
 */
export function startReconciler(deps: ReconcilerDeps): Reconciler {
  const stopping = new AbortController()
  const { signal } = stopping
  const sightings = createSightings({ clock: deps.clock, log: deps.log, signal })
  const observer: Observer = { deps, sightings, failures: createFailureMemory(deps.nodes), ledger: createMemoryLedger(), images: new Map(), startedAt: deps.clock.now().getTime() }
  const intervals = deps.intervals ?? { moving: MOVING_INTERVAL_MS, resting: RESTING_INTERVAL_MS }
  const turns = new Map<string, Turn>()
  const plans = new Map<string, Plan>()
  const through = gate(POOLS_AT_ONCE)
  let passes = 0

  function kick(pool?: string): void {
    if (signal.aborted) return
    const known = pool === undefined ? undefined : turns.get(pool)
    if (pool !== undefined && known !== undefined) hurry(pool, known)
    else discover(pool === undefined)
  }

  function hurry(name: string, turn: Turn): void {
    if (turn.running === null) schedule(name, Math.max(0, turn.startedAt + KICK_GAP_MS - performance.now()))
    else turn.again = true
  }

  /** Pools are made and deleted without a word to us. */
  function discover(andHurry: boolean): void {
    const wanted = new Set(deps.pools().map(each => each.name))
    // One that is being looked at forgets itself when it is done: a pool of the same name must not be looked at twice at once.
    for (const [name, turn] of turns) if (!wanted.has(name) && turn.running === null) forget(name)
    for (const name of wanted) {
      const turn = turns.get(name)
      if (turn === undefined) {
        turns.set(name, { timer: null, running: null, again: false, faults: 0, startedAt: -Infinity, steppedAt: -Infinity, lastSteps: '' })
        schedule(name, 0)
      } else if (andHurry) hurry(name, turn)
    }
  }

  function forget(name: string): void {
    clearTimeout(turns.get(name)?.timer ?? undefined)
    turns.delete(name)
    plans.delete(name)
    observer.failures.forget(name)
    observer.ledger.set(name, [])
  }

  function schedule(name: string, delay: number): void {
    const turn = turns.get(name)
    if (turn === undefined || signal.aborted) return
    clearTimeout(turn.timer ?? undefined)
    turn.timer = setTimeout(() => {
      turn.timer = null
      turn.running ??= through(async () => await take(name, turn)).then(next => {
        turn.running = null
        const delay = turn.again ? KICK_GAP_MS : next
        turn.again = false
        schedule(name, delay)
      })
    }, delay)
  }

  /** One look. Never rejects. @returns the milliseconds until the next one. */
  async function take(name: string, turn: Turn): Promise<number> {
    const pool = deps.pools().find(each => each.name === name)
    if (pool === undefined || signal.aborted) {
      forget(name)
      return 0
    }
    turn.startedAt = performance.now()
    passes += 1
    try {
      const { made, results } = await pass(pool, turn)
      const failed = results.filter(result => result.outcome === 'failed')
      turn.faults = failed.length > 0 ? turn.faults + 1 : 0
      if (failed.length > 0) return backoff(turn.faults)
      const steps = JSON.stringify(made.steps)
      const moved = made.steps.length > 0 && steps !== turn.lastSteps
      turn.lastSteps = steps
      if (moved) return 0
      return made.steps.length > 0 || made.waits.length > 0 ? intervals.moving : intervals.resting
    } catch (failure) {
      if (signal.aborted) return 0
      const error = asDrydockError(failure)
      deps.log.error({ pool: name, code: error.code, failure: String(failure) }, error.message)
      plans.set(name, stuck(pool, plans.get(name), error.message))
      turn.faults += 1
      return backoff(turn.faults)
    }
  }

  function backoff(faults: number): number {
    return Math.min(LAST_BACKOFF_MS, intervals.moving * 2 ** Math.min(faults - 1, 10))
  }

  async function pass(pool: PoolRecord, turn: Turn): Promise<{ made: Plan; results: StepResult[] }> {
    const effects: Effects = { ...deps, signal, ciOf: node => deps.ci.get(specOf(pool, node.revision).ci.connection) }
    const input = await observe(pool, observer, Math.max(turn.steppedAt, turn.startedAt - SHARED_OBSERVATION_MS))
    const made = plan(input)
    check(made, input)
    const results = await executePlan(made, effects)
    if (results.length > 0) turn.steppedAt = performance.now()
    for (const { step } of results) {
      const record = step.kind === 'set-phase' && step.phase === 'gone' ? deps.nodes.get(step.node) : undefined
      if (record !== undefined) observer.failures.remember(record)
    }
    for (const result of results) if (result.outcome === 'failed') deps.log.warn({ pool: pool.name, step: result.step.kind, code: result.error.code }, result.error.message)
    made.waits.push(...results.flatMap(waitOf))
    plans.set(pool.name, made)
    writeWaits(input.nodes, made.waits)
    return { made, results }
  }

  function writeWaits(nodes: readonly NodeRecord[], waits: readonly Wait[]): void {
    const words = new Map(waits.flatMap(({ node, on }): [string, string][] => (node === null ? [] : [[node, on]])))
    for (const { name, waitsFor } of nodes) {
      const says = words.get(name) ?? null
      const record = waitsFor === says ? undefined : deps.nodes.get(name)
      if (record !== undefined) deps.nodes.put({ ...record, waitsFor: says })
    }
  }

  kick()
  const discovery = setInterval(() => discover(false), intervals.resting)

  return {
    kick,
    lastPlan: pool => plans.get(pool),
    get passes() {
      return passes
    },
    async stop() {
      clearInterval(discovery)
      stopping.abort()
      for (const turn of turns.values()) clearTimeout(turn.timer ?? undefined)
      for (const turn of turns.values()) await turn.running
      turns.clear()
    },
  }
}

function waitOf(result: StepResult): Wait[] {
  const node = 'node' in result.step ? result.step.node : null
  if (result.outcome === 'failed') return [{ node, on: `another try of ${result.step.kind}: ${result.error.message}` }]
  return result.outcome === 'not-yet' ? [{ node, on: result.on }] : []
}

/** What is shown while a pool cannot be planned at all. */
function stuck(pool: PoolRecord, last: Plan | undefined, why: string): Plan {
  const before = last ?? { pool: pool.name, revision: pool.target, target: null, counts: { ready: 0, new: 0, old: 0, draining: 0, size: 0 } }
  return { ...before, steps: [], waits: [{ node: null, on: why }] }
}
