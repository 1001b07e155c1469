import type { Clock } from '../core/clock.ts'
import type { Log } from '../core/log.ts'
import type { CiConnector, CiNodeStatus } from '../model/ci-connector.ts'
import type { Hypervisor, ObservedVm } from '../model/hypervisor.ts'
import { CAPABILITIES_AGE_MS, OBSERVE_TIMEOUT_MS } from './limits.ts'
import { within } from './within.ts'

/** What a hypervisor answered, by pool; null when it did not. */
export type HypervisorSighting = { byPool: Map<string, ObservedVm[]>; memoryMiB: number } | null

/** What a CI server answered, by node; null when it did not. `since`: it has answered without a break from then on. */
export type CiSighting = { byNode: Map<string, CiNodeStatus>; since: number } | null

/** One look at a hypervisor or CI server serves every pool that asks for one no older than its own last step (`notBefore`, of performance.now()). */
export type Sightings = {
  hypervisor(hypervisor: Hypervisor, notBefore: number): Promise<HypervisorSighting>
  ci(connector: CiConnector, notBefore: number): Promise<CiSighting>
}

export function createSightings(deps: { clock: Clock; log: Log; signal: AbortSignal }): Sightings {
  const hypervisors = new WeakMap<Hypervisor, (notBefore: number) => Promise<HypervisorSighting>>()
  const servers = new WeakMap<CiConnector, (notBefore: number) => Promise<CiSighting>>()
  return {
    async hypervisor(hypervisor, notBefore) {
      const look = hypervisors.get(hypervisor) ?? shared(lookAtHypervisor(hypervisor, deps))
      hypervisors.set(hypervisor, look)
      return await look(notBefore)
    },
    async ci(connector, notBefore) {
      const look = servers.get(connector) ?? shared(lookAtCi(connector, deps))
      servers.set(connector, look)
      return await look(notBefore)
    },
  }
}

/** Repeats `look` only for who needs a newer answer than the last one; those who ask meanwhile share it. */
function shared<T>(look: () => Promise<T>): (notBefore: number) => Promise<T> {
  let last: { startedAt: number; answer: Promise<T> } | null = null
  return async notBefore => {
    if (last === null || last.startedAt < notBefore) last = { startedAt: performance.now(), answer: look() }
    return await last.answer
  }
}

function lookAtHypervisor(hypervisor: Hypervisor, { log, signal }: { log: Log; signal: AbortSignal }): () => Promise<HypervisorSighting> {
  let capacity: { memoryMiB: number; at: number } | null = null
  return async () => {
    try {
      if (capacity === null || performance.now() - capacity.at > CAPABILITIES_AGE_MS) {
        const { memoryMiB } = await within(signal, OBSERVE_TIMEOUT_MS, async limited => await hypervisor.capabilities(limited))
        capacity = { memoryMiB, at: performance.now() }
      }
      const byPool = new Map<string, ObservedVm[]>()
      for (const vm of await within(signal, OBSERVE_TIMEOUT_MS, async limited => await hypervisor.list(limited))) {
        const machines = byPool.get(vm.ownership.pool)
        if (machines === undefined) byPool.set(vm.ownership.pool, [vm])
        else machines.push(vm)
      }
      return { byPool, memoryMiB: capacity.memoryMiB }
    } catch (failure) {
      if (!signal.aborted) log.warn({ hypervisor: hypervisor.name, failure: String(failure) }, 'hypervisor does not answer')
      return null
    }
  }
}

function lookAtCi(connector: CiConnector, { clock, log, signal }: { clock: Clock; log: Log; signal: AbortSignal }): () => Promise<CiSighting> {
  let since: number | null = null
  return async () => {
    try {
      const statuses = await within(signal, OBSERVE_TIMEOUT_MS, async limited => await connector.status(limited))
      since ??= clock.now().getTime()
      return { byNode: new Map(statuses.map(status => [status.node, status])), since }
    } catch (failure) {
      since = null
      if (!signal.aborted) log.warn({ ci: connector.name, failure: String(failure) }, 'CI server does not answer')
      return null
    }
  }
}
