import type { Json } from '../../bundles/format/json.ts'
import { canonicalJson } from '../../bundles/format/canonical-json.ts'
import { digestOf, hexOf } from '../core/digest.ts'
import { DrydockError } from '../core/error.ts'
import type { EventSink } from '../model/event.ts'
import type { Progress } from '../model/operation.ts'
import type { Journal, StoredOperation } from './journal.ts'
import type { OperationContext } from './operation-kind.ts'
import type { ProgressTold } from './progress.ts'

/** One of the six instants around a journaled effect; crash tests stop the process in each. */
export type JournalRecord = { operation: string; kind: string; name: string; phase: 'intent' | 'effect' | 'result' }
export type OnJournal = (record: JournalRecord, when: 'before' | 'after') => void | Promise<void>

/** One run of an operation in this process. What is frozen does nothing any more: it waits, stands in another lane, or the appliance stops. */
export type Run = { abort: AbortController; frozen: boolean; ended: Promise<void> }

type JournaledRun = {
  operation: StoredOperation
  run: Run
  journal: Journal
  told: ProgressTold
  /** Effects that are under way; a stop waits for them. */
  effects: Set<Promise<unknown>>
  now: () => string
  events: EventSink
  onJournal: OnJournal | undefined
  isStopping: () => boolean
  /** Writes down what the operation waits on. */
  setWaiting: (what: string) => void
  /** This run is over, and its promise never settles. */
  suspend: () => void
}

/** What a use case is given: each call answers from the journal when it can, and otherwise does the thing and writes it down. */
export function journaledContext({ operation, run, journal, told, effects, now, events, onJournal, isStopping, setWaiting, suspend }: JournaledRun): OperationContext {
  const { id, kind, actor } = operation
  const { signal } = run.abort
  const names = new Set<string>()
  const hook = async (name: string, phase: JournalRecord['phase'], when: 'before' | 'after'): Promise<void> => {
    await onJournal?.({ operation: id, kind, name, phase }, when)
  }
  const guard = async (): Promise<void> => {
    if (run.frozen) await never()
    signal.throwIfAborted()
  }
  return {
    id,
    actor,
    signal,
    async step<T extends Json>(name: string, effect: () => Promise<T>): Promise<T> {
      if (names.has(name)) throw new DrydockError('DD-STATE-014', `expected each step of ${kind} to have its own name, found ${name} twice`, 'report this: it is a fault in the use case')
      names.add(name)
      const known = journal.record(id, name)
      if (known !== undefined && known !== null) return known.value as T
      await guard()
      await hook(name, 'intent', 'before')
      journal.intent(id, name, kind, now())
      await hook(name, 'intent', 'after')
      await hook(name, 'effect', 'before')
      const running = Promise.try(effect)
      effects.add(running)
      let value: T
      try {
        value = await running
      } catch (failure) {
        if (run.frozen) return await never()
        throw failure
      } finally {
        effects.delete(running)
      }
      if (run.frozen && isStopping()) return await never()
      await hook(name, 'effect', 'after')
      await hook(name, 'result', 'before')
      journal.result(id, name, kind, value, now())
      await hook(name, 'result', 'after')
      return value
    },
    async waitFor<T extends Json>(what: string): Promise<T> {
      const known = journal.record(id, waitName(what))
      if (known !== undefined && known !== null) return known.value as T
      await guard()
      await hook(what, 'intent', 'before')
      // Only what is written down is frozen: on a full disk this throws, and the operation fails like any other.
      setWaiting(what)
      run.frozen = true
      await onJournal?.({ operation: id, kind, name: what, phase: 'intent' }, 'after')
      suspend()
      return await never()
    },
    async enterLane(lane: string, name: string): Promise<void> {
      const mark = `lane:${name}`
      const known = journal.record(id, mark)
      if (known !== undefined && known !== null) return
      await guard()
      await hook(mark, 'result', 'before')
      const moves = lane !== operation.lane
      if (moves) {
        journal.enterLane(id, mark, kind, lane, now())
        told.take(id)
      } else journal.result(id, mark, kind, null, now())
      run.frozen ||= moves
      await hook(mark, 'result', 'after')
      if (!moves) return
      suspend()
      await never()
    },
    progress(progress: Progress) {
      if (!run.frozen) told.tell(id, progress, now())
    },
    emit(event) {
      if (run.frozen) return
      const name = `event:${event.type}:${hexOf(digestOf(canonicalJson([event.subject, event.fields]))).slice(0, 32)}`
      journal.once(id, name, kind, now(), () => void events.emit({ ...event, operation: id, actor }))
    },
  }
}

/** The promise of a run that is over for this process. Nothing refers to it, so it is collected with the run. */
function never(): Promise<never> {
  return new Promise<never>(() => undefined)
}

/** The name of the record that holds the answer to a wait. */
export function waitName(what: string): string {
  return `wait:${what}`
}
