import { isDeepStrictEqual } from 'node:util'
import { checkShape } from '../../../bundles/format/check.ts'
import Type from 'typebox'
import type { CiView, HypervisorView } from '../../api/answers.ts'
import type { Connections } from '../../api/services.ts'
import { simConnector } from '../../ci/sim/connector.ts'
import type { Clock } from '../../core/clock.ts'
import { asDrydockError, DrydockError } from '../../core/error.ts'
import type { Log } from '../../core/log.ts'
import { openQemu } from '../../drivers/qemu/driver.ts'
import type { CiConnector } from '../../model/ci-connector.ts'
import type { CiConnection, DesiredStore, HypervisorConnection } from '../../model/desired.ts'
import type { Hypervisor } from '../../model/hypervisor.ts'
import type { DataPaths } from '../../state/data-folder.ts'
import type { Secrets } from '../../state/secrets.ts'
import { agentHole, ciHole, type Hole } from './guest-network.ts'
import type { Address } from './config.ts'

export type ConnectionsDeps = {
  desired: DesiredStore
  secrets: Secrets
  paths: DataPaths
  applianceId: string
  agentListen: Address
  clock: Clock
  log: Log
  /** Makes the simulated hypervisor; its guests live in this process. */
  openSim(connection: HypervisorConnection): Promise<Hypervisor>
}

/** What reconcile works with. The maps are live: they follow desired state. */
export type OpenConnections = {
  hypervisors: ReadonlyMap<string, Hypervisor>
  ci: ReadonlyMap<string, CiConnector>
  api: Connections
  /** Opens what was added or changed, closes what is gone. One that cannot be opened is logged and tried again by the next call. */
  sync(): Promise<void>
  close(): Promise<void>
}

const QemuSettings = Type.Object({ acceleration: Type.Optional(Type.Enum(['probe', 'tcg'] as const)) }, { additionalProperties: false })
const CiSettings = Type.Object({ nodeUrl: Type.Optional(Type.String()), quietWindow: Type.Optional(Type.Integer({ minimum: 0, maximum: 600_000 })) }, { additionalProperties: false })

export function openConnections(deps: ConnectionsDeps): OpenConnections {
  const { desired, secrets, log } = deps
  const hypervisors = new Map<string, Hypervisor>()
  const ci = new Map<string, CiConnector>()
  /** What each was opened with, so that a change is noticed. */
  const openedWith = new Map<string, unknown>()
  let queue: Promise<void> = Promise.resolve()

  async function openHypervisor(connection: HypervisorConnection): Promise<Hypervisor> {
    if (connection.kind === 'sim') return await deps.openSim(connection)
    const { acceleration } = checkShape(QemuSettings, connection.options, `options of hypervisor ${connection.name}`)
    const holes: Hole[] = [agentHole(deps.agentListen), ...Object.values(desired.read().connections.ci).map(each => ciHole(each.url))]
    const { applianceId, clock, paths } = deps
    return await openQemu({ name: connection.name, applianceId, vmsDir: paths.vms, holes, clock, log, ...(acceleration === undefined ? {} : { acceleration }) })
  }

  async function openCi(connection: CiConnection): Promise<CiConnector> {
    const { nodeUrl, quietWindow } = checkShape(CiSettings, connection.options ?? {}, `options of CI connection ${connection.name}`)
    const token = connection.secret === undefined ? '' : ((await secrets.get(connection.secret)) ?? '')
    return simConnector({ name: connection.name, url: connection.url, token, nodeUrl: nodeUrl ?? ciHole(connection.url).url, ...(quietWindow === undefined ? {} : { quietWindow }) })
  }

  async function follow<C extends { name: string }, T>(what: string, wanted: Record<string, C>, open: Map<string, T>, opener: (connection: C) => Promise<T>, closer: (opened: T) => Promise<void>, context: unknown): Promise<void> {
    for (const [name, opened] of open) {
      if (isDeepStrictEqual(openedWith.get(`${what}:${name}`), [wanted[name], context])) continue
      open.delete(name)
      await closer(opened)
    }
    for (const connection of Object.values(wanted)) {
      if (open.has(connection.name)) continue
      try {
        open.set(connection.name, await opener(connection))
        openedWith.set(`${what}:${connection.name}`, [connection, context])
      } catch (failure) {
        const error = asDrydockError(failure)
        log.error({ name: connection.name, code: error.code, found: error.message, cause: String(error.cause) }, `the ${what} could not be opened`)
      }
    }
  }

  async function syncOnce(): Promise<void> {
    const { connections } = desired.read()
    const secretsOf = Object.values(connections.ci).map(each => each.secret)
    await follow('CI connection', connections.ci, ci, openCi, async () => undefined, secretsOf)
    // What guests may reach stands on their command line, so a driver is opened again when the CI servers change.
    await follow('hypervisor', connections.hypervisors, hypervisors, openHypervisor, async opened => await opened.close(), Object.values(connections.ci).map(each => each.url))
  }

  function sync(): Promise<void> {
    const next = queue.then(syncOnce)
    queue = next.catch(() => undefined)
    return next
  }

  return {
    hypervisors,
    ci,
    sync,
    api: {
      hypervisors: async signal => await Promise.all(Object.values(desired.read().connections.hypervisors).map(async each => await hypervisorView(each, hypervisors.get(each.name), signal))),
      cis: async signal => await Promise.all(Object.values(desired.read().connections.ci).map(async each => await ciView(each, ci.get(each.name), signal))),
      async addHypervisor(connection) {
        await desired.update(draft => {
          const other = Object.values(draft.connections.hypervisors).find(each => each.kind === 'qemu' && each.name !== connection.name)
          if (connection.kind === 'qemu' && other !== undefined) {
            throw new DrydockError('DD-POOL-009', `expected one embedded QEMU on an appliance, found ${other.name} here already`, `use ${other.name} in the pool spec`)
          }
          draft.connections.hypervisors[connection.name] = connection
        })
        await sync()
      },
      async addCi({ token, ...connection }) {
        // A name of its own for each token: a change of it is a change of the connection, which opens it again.
        const secret = `ci-${connection.name}-${deps.clock.now().getTime().toString(36)}`.slice(0, 63)
        const before = desired.read().connections.ci[connection.name]?.secret
        if (token !== undefined) await secrets.put(secret, token)
        const kept = token === undefined ? before : secret
        await desired.update(draft => {
          draft.connections.ci[connection.name] = { ...connection, ...(kept === undefined ? {} : { secret: kept }) }
        })
        if (before !== undefined && before !== kept) await secrets.remove(before)
        await sync()
      },
    },
    async close() {
      await queue
      await Promise.all([...hypervisors.values()].map(async each => await each.close()))
    },
  }
}

async function hypervisorView(connection: HypervisorConnection, driver: Hypervisor | undefined, signal: AbortSignal): Promise<HypervisorView> {
  const view = { ...connection, reachable: false, says: 'it could not be opened; the log says why', acceleration: null, cpus: null, memoryMiB: null, diskFreeMiB: null, notes: [] }
  if (driver === undefined) return view
  try {
    const { kind, version, acceleration, cpus, memoryMiB, diskFreeMiB, notes } = await driver.capabilities(signal)
    return { ...view, reachable: true, says: `${kind} ${version}`, acceleration, cpus, memoryMiB, diskFreeMiB, notes }
  } catch (failure) {
    return { ...view, says: asDrydockError(failure).message }
  }
}

async function ciView({ name, kind, url }: CiConnection, connector: CiConnector | undefined, signal: AbortSignal): Promise<CiView> {
  const view = { name, kind, url, reachable: false }
  if (connector === undefined) return { ...view, says: 'it could not be opened; the log says why' }
  try {
    return { ...view, reachable: true, says: `${kind} ${(await connector.check(signal)).version}` }
  } catch (failure) {
    return { ...view, says: asDrydockError(failure).message }
  }
}
