import type { Json } from '../../bundles/format/json.ts'
import type { NewEvent } from '../model/event.ts'
import type { Operation, Progress } from '../model/operation.ts'

/**
 * What a journaled use case is given. A use case is a plain async function that is run again from its start after a crash:
 * every effect stands in a `step`, whose result the journal remembers, so that what was done is not done again.
 */
export type OperationContext = {
  readonly id: string
  readonly actor: string
  readonly signal: AbortSignal
  /**
   * Journal: intent(name) → effect → result(name, value). When the journal already holds the result, the effect is not run.
   * A kill between effect and result runs the effect again: it must be idempotent by operation id.
   * Names are unique inside one operation and the same on every run.
   */
  step<T extends Json>(name: string, effect: () => Promise<T>): Promise<T>
  /**
   * Stops the run here with state `waiting`, until somebody calls `signal(id, what, value)`; after that (and after any later crash) it
   * returns that value. Nothing of the run is kept in memory meanwhile: the promise of a run that waits never settles, so neither
   * `catch` nor `finally` around it runs. Hold nothing open across it. When the operation was cancelled it rejects with DD-CORE-007.
   */
  waitFor<T extends Json>(what: string): Promise<T>
  /**
   * From here on the run stands in another lane, at its end: it is `queued` until its turn comes, and then runs from its beginning as after
   * any wait. Journaled by `name`, so it happens once, whatever restarts between; with no effect when the run is in this lane already.
   */
  enterLane(lane: string, name: string): Promise<void>
  progress(progress: Progress): void
  emit(event: Omit<NewEvent, 'operation' | 'actor'>): void
}

/** One kind of operation. `params` were checked before they were journaled. */
export type OperationKind<P extends Json> = {
  readonly kind: string
  readonly subject: (params: P) => string
  /** Operations of one lane run one at a time, in the order of their submission; one that waits frees its lane. The lane it begins in; `enterLane` changes it. Default: the kind. */
  readonly lane?: (params: P) => string
  run(context: OperationContext, params: P): Promise<Json>
}

/** The engine: submits, resumes after a crash, signals, cancels. Two calls with one idempotency key make one operation. */
export interface Operations {
  submit<P extends Json>(kind: OperationKind<P>, params: P, options: { actor: string; idempotencyKey: string }): Operation
  get(id: string): Operation | undefined
  /** What this request made, when it came before. */
  known(request: { actor: string; idempotencyKey: string }): Operation | undefined
  /** Newest first. */
  list(options?: { state?: Operation['state']; subject?: string; limit?: number }): Operation[]
  signal(id: string, what: string, value: Json): void
  cancel(id: string, actor: string): void
  /** Resolves when the operation waits or has ended. */
  settled(id: string): Promise<Operation>
  /** Makes a kind known, so that its operations go on after a restart. Before `start` for each kind there is. */
  register<P extends Json>(kind: OperationKind<P>): void
}
