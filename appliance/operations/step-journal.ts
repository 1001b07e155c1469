import type { Clock } from '../core/clock.ts'
import type { OnJournal } from './engine.ts'

/** Where reconcile's steps are recorded; appliance/state implements it. Durable when it returns. */
export interface StepRecords {
  intent(name: string, at: string): void
  result(name: string, at: string): void
}

/** What the records of reconcile are called to a crash test: there is no operation behind them. */
export const RECONCILE = 'reconcile'

/**
 * The journal of the reconcile loop: intent → effect → result, as in an operation, but nothing is replayed. After a crash the loop looks
 * again and decides anew, so a record without a result only tells what was under way.
 */
export function createStepJournal(options: { records: StepRecords; clock: Clock; onJournal?: OnJournal }): { step(name: string, effect: () => Promise<null>): Promise<null> } {
  const { records, clock, onJournal } = options
  const now = (): string => clock.now().toISOString()
  return {
    async step(name, effect) {
      const around = async (phase: 'intent' | 'effect' | 'result', work: () => unknown): Promise<void> => {
        const record = { operation: RECONCILE, kind: RECONCILE, name, phase }
        await onJournal?.(record, 'before')
        await work()
        await onJournal?.(record, 'after')
      }
      await around('intent', () => records.intent(name, now()))
      await around('effect', effect)
      await around('result', () => records.result(name, now()))
      return null
    },
  }
}
