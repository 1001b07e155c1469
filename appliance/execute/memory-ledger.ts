/** How much memory the nodes of all pools take on each hypervisor, as of each pool's last look. MiB. */
export type MemoryLedger = {
  set(pool: string, nodes: readonly { hypervisor: string; memoryMiB: number }[]): void
  usedOn(hypervisor: string): number
}

export function createMemoryLedger(): MemoryLedger {
  const pools = new Map<string, Map<string, number>>()
  const totals = new Map<string, number>()
  const add = (hypervisor: string, memoryMiB: number): void => void totals.set(hypervisor, (totals.get(hypervisor) ?? 0) + memoryMiB)
  return {
    set(pool, nodes) {
      for (const [hypervisor, memoryMiB] of pools.get(pool) ?? []) add(hypervisor, -memoryMiB)
      const taken = new Map<string, number>()
      for (const node of nodes) taken.set(node.hypervisor, (taken.get(node.hypervisor) ?? 0) + node.memoryMiB)
      for (const [hypervisor, memoryMiB] of taken) add(hypervisor, memoryMiB)
      pools.set(pool, taken)
    },
    usedOn: hypervisor => totals.get(hypervisor) ?? 0,
  }
}
