import type { PlanInput } from '../model/plan.ts'

/** Hands out hypervisors for new nodes, the one with the most memory left first; null when none has enough. */
export function placer(hypervisors: PlanInput['hypervisors'], allowed: readonly string[], memoryMiB: number): () => string | null {
  const left = hypervisors.filter(hypervisor => hypervisor.reachable && allowed.includes(hypervisor.name)).map(({ name, freeMemoryMiB }) => ({ name, freeMemoryMiB }))
  return () => {
    const best = left.reduce<(typeof left)[number] | null>((most, one) => (most === null || one.freeMemoryMiB > most.freeMemoryMiB ? one : most), null)
    if (best === null || best.freeMemoryMiB < memoryMiB) return null
    best.freeMemoryMiB -= memoryMiB
    return best.name
  }
}
