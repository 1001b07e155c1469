import type { ImportRecord, ImportState } from '../../bundles/format/import-record.ts'
import { DrydockError } from '../core/error.ts'
import type { ImportDeps } from './import-steps.ts'

export type Move = (state: ImportState, change?: Partial<ImportRecord>) => ImportRecord

/**
 * The only way by which an import changes its state: what the table of importer/stage/states.ts does not have is a fault of ours, and
 * nothing is written then. Each step moves at most once, so that one which is run again after a kill finds its own state.
 */
export function moverOf(deps: Pick<ImportDeps, 'ledger' | 'clock'> & { steps: Pick<ImportDeps['steps'], 'mayBecome'> }, id: string): Move {
  return (state, change = {}) => {
    const from = deps.ledger.get(id)?.state
    if (from !== undefined && !deps.steps.mayBecome(from, state)) {
      throw new DrydockError('DD-CORE-001', `expected an import that may go from ${from} to ${state}, found no such way in its table of states`, 'report this with `drydock import show`; the import was left as it was')
    }
    return deps.ledger.update(id, { state, updatedAt: deps.clock.now().toISOString(), ...change })
  }
}
