import { DrydockError } from '../../core/error.ts'
import type { Desired } from '../../model/desired.ts'
import type { PoolRecord, Revision } from '../../model/pool.ts'

/** @throws DD-POOL-001 */
export function poolOf(desired: Desired, name: string): PoolRecord {
  const pool = Object.hasOwn(desired.pools, name) ? desired.pools[name] : undefined
  if (pool === undefined) {
    const known = Object.keys(desired.pools)
    throw new DrydockError('DD-POOL-001', `expected a pool of this appliance (${known.join(', ') || 'there is none'}), found ${JSON.stringify(name)}`, 'list them: drydock pool list')
  }
  return pool
}

/** @throws DD-POOL-001 */
export function revisionOf(pool: PoolRecord, revision: number): Revision {
  const found = pool.revisions.find(each => each.revision === revision)
  if (found === undefined) throw new DrydockError('DD-POOL-001', `expected a revision of ${pool.name} (1 to ${pool.head}), found ${revision}`, `list them: drydock pool history ${pool.name}`)
  return found
}

/** The revision that reconcile works towards. */
export function targetOf(pool: PoolRecord): Revision | null {
  return pool.target === null ? null : revisionOf(pool, pool.target)
}

/** @throws DD-POOL-008 */
export function refuseDeleting(pool: PoolRecord): void {
  if (pool.deleting === true) throw new DrydockError('DD-POOL-008', `expected a pool that takes changes, found ${pool.name} being deleted`, `wait until it is gone: drydock pool status ${pool.name}`)
}
