import { asDrydockError } from '../../core/error.ts'
import type { Log } from '../../core/log.ts'
import type { DesiredStore } from '../../model/desired.ts'
import type { EventLog } from '../../model/event.ts'
import type { Dismissal } from '../../model/dismissal.ts'
import type { StandingFinding } from '../../model/rescan.ts'
import { dismissalText, type Claimable, type DismissalsDeps } from '../../operations/dismissals.ts'

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

/** What people have said of findings is desired state. */
export function dismissalsIn(desired: DesiredStore): DismissalsDeps['store'] {
  return {
    read: () => desired.read().dismissals ?? {},
    update: async change => await desired.update(draft => change((draft.dismissals ??= {}))),
  }
}

/** The finding of this id that stands, as it can be called a false alarm. */
export function claimable(findings: readonly StandingFinding[], id: string): Claimable | undefined {
  const found = findings.find(finding => finding.id === id)
  return found === undefined || found.digest === null ? undefined : { scanner: found.scanner, what: found.what, digest: found.digest, text: found.text, items: found.items }
}

export function wordsOf(dismissal: Dismissal | undefined): string | undefined {
  return dismissal === undefined ? undefined : dismissalText(dismissal)
}
