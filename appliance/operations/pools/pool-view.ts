import type { NodeRecord } from '../../model/node.ts'
import type { Operation } from '../../model/operation.ts'
import type { Plan } from '../../model/plan.ts'
import type { PoolRecord } from '../../model/pool.ts'
import type { PoolView } from '../../model/view.ts'
import { revisionOf, targetOf } from './record.ts'

/** What a pool is now, from its record, its nodes, the last plan and the operation that is under way. Pure. */
export function poolView(pool: PoolRecord, nodes: readonly NodeRecord[], plan: Plan | undefined, operation: Operation | undefined): PoolView {
  const head = revisionOf(pool, pool.head)
  const target = targetOf(pool)
  const shown = target ?? head
  const counts = plan?.counts ?? countsOf(pool, nodes)
  return {
    name: pool.name,
    head: pool.head,
    target: pool.target,
    lastHealthy: pool.lastHealthy,
    paused: pool.paused,
    state: stateOf(pool, counts, operation),
    document: { apiVersion: 'drydock/v1', kind: 'Pool', metadata: { name: pool.name }, spec: head.spec },
    specDigest: shown.specDigest ?? null,
    image: shown.image ?? null,
    counts: { size: counts.size, ready: counts.ready, new: counts.new, old: counts.old, draining: counts.draining },
    waits: plan?.waits ?? [],
    operation: operation?.id ?? null,
  }
}

function stateOf(pool: PoolRecord, counts: PoolView['counts'], operation: Operation | undefined): PoolView['state'] {
  if (pool.deleting === true) return 'deleting'
  const outcome = targetOf(pool)?.outcome
  if (operation !== undefined && operation.waitingOn === null) return 'applying'
  if (outcome === undefined) return 'not-applied'
  if (outcome === 'failed') return 'failed'
  if (outcome === 'healthy') return counts.ready >= counts.size ? 'healthy' : 'degraded'
  return 'rolling-out'
}

/** Before reconcile has looked for the first time. */
function countsOf(pool: PoolRecord, nodes: readonly NodeRecord[]): PoolView['counts'] {
  const target = targetOf(pool)
  const current = nodes.filter(node => node.fence >= pool.fence)
  return {
    size: (target ?? revisionOf(pool, pool.head)).spec.size,
    ready: nodes.filter(node => node.phase === 'healthy').length,
    new: current.length,
    old: nodes.length - current.length,
    draining: nodes.filter(node => node.phase === 'draining' || node.phase === 'drained').length,
  }
}
