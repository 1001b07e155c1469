import type { Operation, Progress } from '../model/operation.ts'

/**
 * How far each operation that runs has come. It is no state: a run that is cut off tells anew. So it is kept in memory, and goes into the
 * journal only with the state in which a run ends; a write for each telling would have everybody wait for a disk that is busy with the very
 * work that is told of.
 */
export type ProgressTold = {
  tell(id: string, progress: Progress, at: string): void
  /** The operation as it is shown: with the last that was told, when that is later than what the journal has. */
  in<T extends Operation>(operation: T): T
  /** The last that was told, for the journal; from now on nobody is shown it. */
  take(id: string): Progress | undefined
}

export function progressTold(): ProgressTold {
  const told = new Map<string, Pick<Operation, 'progress' | 'updatedAt'> & { progress: Progress }>()
  return {
    tell: (id, progress, at) => void told.set(id, { progress, updatedAt: at }),
    in: operation => ({ ...operation, ...told.get(operation.id) }),
    take(id) {
      const last = told.get(id)?.progress
      told.delete(id)
      return last
    },
  }
}
