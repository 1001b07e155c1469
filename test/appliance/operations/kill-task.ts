import type { JournalRecord } from '../../../appliance/operations/engine.ts'
import type { Config } from '../../../appliance/main/inside/config.ts'

/** What the parent tells the child. `targets` are the instants at which it wants to kill, the first that comes. */
export type Task = { config: Config; bundle: string; ciUrl: string; ciToken: string; targets: string[] }

/** `after effect of import/promote`: an instant, whichever operation or node it happened to be. A step of reconcile is named by its first word. */
export function instantOf(record: JournalRecord, when: 'before' | 'after'): string {
  const [step] = record.name.split(' ')
  return `${when} ${record.phase} of ${record.kind}/${step}`
}
