import { join } from 'node:path'
import type { Clock } from '../../core/clock.ts'
import type { Log } from '../../core/log.ts'
import { openSim } from '../../drivers/sim/driver.ts'
import type { AgentDesk } from '../../model/agent.ts'
import type { DesiredStore, HypervisorConnection } from '../../model/desired.ts'
import type { Hypervisor } from '../../model/hypervisor.ts'
import type { DataPaths } from '../../state/data-folder.ts'
import { ciHole } from './guest-network.ts'

/** A simulated hypervisor whose guests live in this process; its machines are files, apart from those of QEMU. */
export async function openSimulated(connection: HypervisorConnection, deps: { desired: DesiredStore; paths: DataPaths; applianceId: string; desk: AgentDesk; clock: Clock; log: Log }): Promise<Hypervisor> {
  const { desired, paths, applianceId, desk, clock, log } = deps
  return await openSim({
    name: connection.name,
    applianceId,
    stateDir: join(paths.root, 'sim', connection.name),
    settings: connection.options,
    desk,
    // A real guest would go through the hole; one in this process goes there directly.
    reach: url => Object.values(desired.read().connections.ci).find(ci => url === ciHole(ci.url).url)?.url ?? url,
    clock,
    log,
  })
}
