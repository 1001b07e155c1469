import type { DatabaseSync } from 'node:sqlite'

/** Steps of reconcile that are kept: enough to see what a crash cut off and what went before. */
export const STEPS_KEPT = 20_000

/** What the reconcile loop was doing, newest last; satisfies operations' `StepRecords`. */
export function openStepRecords(database: DatabaseSync) {
  const intend = database.prepare('INSERT INTO steps (name, intent_at) VALUES (?, ?)')
  const conclude = database.prepare('UPDATE steps SET result_at = ? WHERE name = ?')
  const prune = database.prepare('DELETE FROM steps WHERE seq <= (SELECT max(seq) FROM steps) - ?')
  let since = 0
  return {
    intent(name: string, at: string): void {
      intend.run(name, at)
      since += 1
      if (since < 1000) return
      since = 0
      prune.run(STEPS_KEPT)
    },
    result(name: string, at: string): void {
      conclude.run(at, name)
    },
  }
}
