import { asDrydockError } from '../../core/error.ts'
import type { Log } from '../../core/log.ts'
import type { EventLog } from '../../model/event.ts'

/**
 * From now on what was looked at with older definitions is looked at again, also what a kill kept from being begun.
 * @returns what ends it.
 */
export function followDefinitions({ rescans, events, log }: { rescans: { whenNew(): Promise<void> }; events: Pick<EventLog, 'subscribe' | 'last'>; log: Log }): () => void {
  const look = (): void => void rescans.whenNew().catch((failure: unknown) => log.error({ code: asDrydockError(failure).code, cause: String(failure) }, 'the store is not looked through with the newest definitions'))
  look()
  return events.subscribe({ after: events.last() }, event => {
    if (event.type === 'import.promoted') look()
  })
}
