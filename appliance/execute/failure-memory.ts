import type { NodeRecord, NodeRegistry } from '../model/node.ts'
import type { PlannedRevision } from '../model/plan.ts'

/**
 * Nodes that failed and are gone, which the circuit breaker still counts. Read once from the registry and then kept along, because
 * the records of all nodes that ever were are too many to read at each look.
 */
export type FailureMemory = {
  of(pool: string, target: PlannedRevision): { at: number; failure: string }[]
  /** A node that is gone now. */
  remember(node: NodeRecord): void
  forget(pool: string): void
}

export function createFailureMemory(nodes: NodeRegistry): FailureMemory {
  const pools = new Map<string, NodeRecord[]>()
  return {
    of(pool, target) {
      const known = pools.get(pool) ?? nodes.list(pool, { gone: true }).filter(node => node.phase === 'gone' && node.failure !== null)
      // A new fence never falls back, so what is of a lower one is not asked for again.
      const kept = known.filter(node => node.fence >= target.fence)
      pools.set(pool, kept)
      return kept.filter(node => node.fence === target.fence && node.revision === target.revision).map(node => ({ at: node.failedAt ?? node.phaseSince, failure: node.failure ?? '' }))
    },
    remember(node) {
      if (node.failure !== null) pools.get(node.pool)?.push(node)
    },
    forget: pool => void pools.delete(pool),
  }
}
