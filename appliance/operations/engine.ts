import type { Json } from '../../bundles/format/json.ts'
import type { Clock } from '../core/clock.ts'
import { canonicalJson } from '../../bundles/format/canonical-json.ts'
import { asDrydockError, DrydockError } from '../core/error.ts'
import { uuidv7 } from '../core/ids.ts'
import type { Log } from '../core/log.ts'
import type { EventSink } from '../model/event.ts'
import type { Operation } from '../model/operation.ts'
import type { Journal, StoredOperation } from './journal.ts'
import { journaledContext, waitName, type JournalRecord, type OnJournal, type Run } from './journaled-context.ts'
import type { OperationKind, Operations } from './operation-kind.ts'
import { progressTold } from './progress.ts'

export type EngineOptions = { journal: Journal; events: EventSink; clock: Clock; log: Log; onJournal?: OnJournal; stop?: (error: DrydockError) => void }

export type Engine = Operations & {
  /** Goes on with what a crash or a stop cut off. After every kind is registered. */
  start(): void
  /** Lets go: no new step begins, running effects get their signal, the journal keeps what is left for the next start. */
  stop(): Promise<void>
}

export type { JournalRecord, OnJournal }

const ENDED: ReadonlySet<Operation['state']> = new Set(['succeeded', 'failed', 'cancelled'])

/**
 * Runs use cases over the journal (operation-kind.ts):
 *
 *   queued → running ⇄ waiting(on what) → succeeded | failed(error) | cancelled
 *            running → queued, in another lane
 *
 * A use case always runs from its beginning; steps that have a result are answered from the journal. That makes going on after a crash,
 * going on after a wait, and running for the first time the same thing. A stop is treated as a crash: the run is frozen, not unwound.
 */
export function createOperations(options: EngineOptions): Engine {
  const { journal, clock, stop = stopHere } = options
  const kinds = new Map<string, OperationKind<Json>>()
  const lanes = new Map<string, string[]>()
  const runs = new Map<string, Run>()
  const watchers = new Map<string, ((operation: Operation) => void)[]>()
  const effects = new Set<Promise<unknown>>()
  const told = progressTold()
  let stopping = false
  let started = false

  const now = (): string => clock.now().toISOString()

  function stored(id: string): StoredOperation {
    const operation = journal.get(id)
    if (operation === undefined) throw new DrydockError('DD-STATE-012', `expected an operation of id ${id}, found none`, 'list them: drydock operation list')
    return operation
  }

  function setState(id: string, change: Omit<Parameters<Journal['setState']>[1], 'at'>): void {
    const progress = change.state === 'running' ? undefined : told.take(id)
    journal.setState(id, { ...change, ...(progress === undefined ? {} : { progress }), at: now() })
    if (change.state === 'queued' || change.state === 'running') return
    const waiting = watchers.get(id)
    watchers.delete(id)
    const operation = view(stored(id))
    waiting?.forEach(tell => tell(operation))
  }

  function enqueue(operation: Pick<StoredOperation, 'id' | 'lane'>): void {
    const lane = lanes.get(operation.lane) ?? []
    lanes.set(operation.lane, lane)
    if (!lane.includes(operation.id)) lane.push(operation.id)
    if (started && lane.length === 1) setImmediate(() => runNext(operation.lane))
  }

  function runNext(laneName: string): void {
    const lane = lanes.get(laneName)
    const id = lane?.[0]
    if (id === undefined) lanes.delete(laneName)
    if (id === undefined || stopping || runs.has(id)) return
    const run: Run = { abort: new AbortController(), frozen: false, ended: Promise.resolve() }
    runs.set(id, run)
    run.ended = runOnce(id, run).finally(() => {
      runs.delete(id)
      lane?.shift()
      // A signal or a cancel may have come in the instant in which the run began to wait.
      if (!stopping) afterRun(id, laneName)
    })
  }

  function afterRun(id: string, laneName: string): void {
    const operation = stored(id)
    const answered = operation.state === 'waiting' && (operation.cancelledBy !== null || hasAnswer(operation))
    if (answered || operation.state === 'queued') enqueue(operation)
    setImmediate(() => runNext(laneName))
  }

  function hasAnswer(operation: StoredOperation): boolean {
    return operation.waitingOn !== null && journal.record(operation.id, waitName(operation.waitingOn)) !== undefined
  }

  /** One run from the beginning to its end, to a wait, or to a stop. Never rejects. */
  async function runOnce(id: string, run: Run): Promise<void> {
    try {
      const operation = stored(id)
      const kind = kinds.get(operation.kind)
      if (kind === undefined) throw new DrydockError('DD-STATE-015', `expected a known kind of operation, found ${operation.kind}`, 'start the build that made it')
      if (operation.cancelledBy !== null) run.abort.abort(cancelled(operation))
      setState(id, { state: 'running' })
      const suspended = Promise.withResolvers<'suspended'>()
      const context = journaledContext({
        operation, run, journal, told, effects, now, events: options.events, onJournal: options.onJournal, isStopping: () => stopping,
        setWaiting: waitingOn => setState(id, { state: 'waiting', waitingOn }), suspend: () => suspended.resolve('suspended'),
      })
      const outcome = await Promise.race([
        Promise.try(() => kind.run(context, operation.params)).then(result => ({ result }), (failure: unknown) => ({ failure })),
        suspended.promise,
      ])
      if (run.frozen || outcome === 'suspended') return
      if ('result' in outcome) setState(id, { state: 'succeeded', result: outcome.result })
      else if (stored(id).cancelledBy !== null) setState(id, { state: 'cancelled', error: cancelled(stored(id)).toJSON() })
      else fail(id, outcome.failure)
    } catch (failure) {
      if (run.frozen) return
      try {
        fail(id, failure)
      } catch (unwritten) {
        // What cannot be written down did not happen: only a new start can tell how things stand.
        run.frozen = true
        stop(asDrydockError(unwritten))
      }
    }
  }

  function fail(id: string, failure: unknown): void {
    const error = asDrydockError(failure)
    // What cannot be told by its code is told by its cause: the hint of an internal fault sends people to the log for it, whatever its level.
    const level = error.code === 'DD-CORE-001' ? 'error' : 'warn'
    options.log[level]({ operation: id, code: error.code, cause: error.cause instanceof Error ? error.cause.stack : error.cause }, 'an operation failed')
    setState(id, { state: 'failed', error: error.toJSON() })
  }

  return {
    register<P extends Json>(kind: OperationKind<P>) {
      // Params were checked by the one who submitted them, so the journal gives back what the kind declared.
      kinds.set(kind.kind, kind as unknown as OperationKind<Json>)
    },
    submit<P extends Json>(kind: OperationKind<P>, params: P, { actor, idempotencyKey }: { actor: string; idempotencyKey: string }): Operation {
      if (!kinds.has(kind.kind)) kinds.set(kind.kind, kind as unknown as OperationKind<Json>)
      const at = clock.now()
      const operation: StoredOperation = {
        id: uuidv7(at), kind: kind.kind, subject: kind.subject(params), actor, lane: kind.lane?.(params) ?? kind.kind, params, idempotencyKey,
        state: 'queued', waitingOn: null, progress: null, error: null, result: null, cancelledBy: null, createdAt: at.toISOString(), updatedAt: at.toISOString(),
      }
      const kept = journal.insert(operation)
      if (kept.id !== operation.id && (kept.kind !== operation.kind || canonicalJson(kept.params) !== canonicalJson(params))) {
        throw new DrydockError('DD-STATE-013', `expected a new idempotency key, found ${JSON.stringify(idempotencyKey)} of the ${kept.kind} ${kept.id}`, 'use a new key for a new request')
      }
      if (kept.id === operation.id) enqueue(kept)
      return view(kept)
    },
    get(id) {
      const operation = journal.get(id)
      return operation === undefined ? undefined : view(told.in(operation))
    },
    known({ actor, idempotencyKey }) {
      const operation = journal.withKey(actor, idempotencyKey)
      return operation === undefined ? undefined : view(told.in(operation))
    },
    list(filter) {
      return journal.list(filter ?? {}).map(operation => view(told.in(operation)))
    },
    signal(id, what, value) {
      const operation = stored(id)
      if (ENDED.has(operation.state)) throw new DrydockError('DD-STATE-014', `expected operation ${id} to wait for ${what}, found it ${operation.state}`, 'nothing to do: it has ended')
      const record: JournalRecord = { operation: id, kind: operation.kind, name: what, phase: 'result' }
      void options.onJournal?.(record, 'before')
      journal.result(id, waitName(what), operation.kind, value, now())
      void options.onJournal?.(record, 'after')
      if (operation.state === 'waiting' && operation.waitingOn === what && !runs.has(id)) enqueue(operation)
    },
    cancel(id, actor) {
      const operation = stored(id)
      if (ENDED.has(operation.state)) throw new DrydockError('DD-STATE-014', `expected operation ${id} to be under way, found it ${operation.state}`, 'nothing to do: it has ended')
      journal.setCancelled(id, actor, now())
      const run = runs.get(id)
      if (run === undefined) enqueue(operation)
      else run.abort.abort(cancelled(stored(id)))
    },
    async settled(id) {
      // Whoever asks in the instant in which a run begins to wait would otherwise never be told: that was told already.
      if (stored(id).state === 'waiting') await runs.get(id)?.ended
      const operation = stored(id)
      if (operation.state === 'waiting' ? !runs.has(id) && !hasAnswer(operation) && operation.cancelledBy === null : ENDED.has(operation.state)) return view(operation)
      const { promise, resolve } = Promise.withResolvers<Operation>()
      watchers.set(id, [...(watchers.get(id) ?? []), resolve])
      return await promise
    },
    start() {
      started = true
      for (const operation of journal.unfinished()) {
        if (!kinds.has(operation.kind)) {
          options.log.error({ operation: operation.id, kind: operation.kind, code: 'DD-STATE-015' }, 'an operation of an unknown kind was left as it is')
          continue
        }
        if (operation.state !== 'waiting' || operation.cancelledBy !== null || hasAnswer(operation)) enqueue(operation)
      }
      for (const lane of Array.from(lanes.keys())) runNext(lane)
    },
    async stop() {
      stopping = true
      for (const run of runs.values()) {
        run.frozen = true
        run.abort.abort(new DrydockError('DD-CORE-007', 'expected to finish, found the appliance stopping', 'it goes on at the next start'))
      }
      await Promise.allSettled(effects)
    },
  }
}

function stopHere(error: DrydockError): never {
  throw error
}

function cancelled(operation: StoredOperation): DrydockError {
  return new DrydockError('DD-CORE-007', `expected to finish, found it cancelled by ${operation.cancelledBy ?? 'a person'}`, 'run it again if it was not meant')
}

function view(operation: StoredOperation): Operation {
  const { id, kind, subject, actor, state, waitingOn, progress, error, result, createdAt, updatedAt } = operation
  return { id, kind, subject, actor, state, waitingOn, progress, error, result, createdAt, updatedAt }
}
