import { parseDigest } from '../core/digest.ts'
import type { CiConnector, CiNodeStatus } from '../model/ci-connector.ts'
import type { ObservedVm } from '../model/hypervisor.ts'
import type { NodeRecord } from '../model/node.ts'
import type { PlanInput, PlannedRevision } from '../model/plan.ts'
import type { PoolRecord } from '../model/pool.ts'
import { idleSince } from '../plan/idle.ts'
import { mebibytesOf } from '../plan/rollout-policy.ts'
import type { FailureMemory } from './failure-memory.ts'
import type { MemoryLedger } from './memory-ledger.ts'
import { expectedOf, plannedRevision, specOf, type ExpectedOfImage } from './planned-revision.ts'
import type { ReconcilerDeps } from './ports.ts'
import type { Sightings } from './sightings.ts'

export type Observer = {
  deps: Pick<ReconcilerDeps, 'applianceId' | 'hypervisors' | 'ci' | 'nodes' | 'clock' | 'image'>
  sightings: Sightings
  failures: FailureMemory
  ledger: MemoryLedger
  /** An image never changes: what was read of it once is kept. */
  images: Map<string, ExpectedOfImage>
  /** When this process began to take heartbeats, milliseconds since 1970. */
  startedAt: number
}

/**
 * Everything the planner may look at, asked for now. Writes one thing: `idleSince` of the nodes, which only this loop knows, as it
 * joins the two proofs.
 */
export async function observe(pool: PoolRecord, observer: Observer, notBefore: number): Promise<PlanInput> {
  const { deps, sightings } = observer
  const target = await targetOf(pool, observer)
  const connections = connectionsOf(pool, deps)
  const [machines, ci] = await Promise.all([lookAtMachines(pool.name, observer, notBefore), lookAtServers([...connections].map(name => deps.ci.get(name)), sightings, notBefore)])
  const now = deps.clock.now().getTime()
  // Records last: heartbeats that came while others answered are newer than the answers, and that errs on the side of busy.
  const nodes = deps.nodes.list(pool.name).filter(node => node.phase !== 'gone').map(node => withIdleProof(node, ci, now, deps.nodes))
  observer.ledger.set(pool.name, nodes.map(node => ({ hypervisor: node.hypervisor, memoryMiB: mebibytesOf(specOf(pool, node.revision).hardware.memory) })))
  const names = new Set([...nodes.map(node => node.name), ...machines.vms.map(vm => vm.name)])
  return {
    now,
    applianceId: deps.applianceId,
    pool: pool.name,
    fence: pool.fence,
    paused: pool.paused !== null,
    deleting: pool.deleting === true,
    target,
    lastHealthy: pool.lastHealthy,
    nodes,
    failures: target === null ? [] : observer.failures.of(pool.name, target),
    failuresSince: pool.failuresSince ?? 0,
    watchingSince: Math.max(observer.startedAt, ci?.since ?? 0),
    vms: machines.vms,
    ci: ci === null ? null : [...names].flatMap(name => ci.byNode.get(name) ?? []),
    quietWindow: Math.max(0, ...[...connections].map(name => deps.ci.get(name)?.quietWindow ?? 0)),
    hypervisors: machines.hypervisors.map(({ name, reachable, memoryMiB }) => ({ name, reachable, freeMemoryMiB: Math.max(0, memoryMiB - observer.ledger.usedOn(name)) })),
  }
}

async function targetOf(pool: PoolRecord, { deps, images }: Observer): Promise<PlannedRevision | null> {
  const revision = pool.revisions.find(each => each.revision === pool.target)
  if (revision?.image === undefined) return null
  const digest = parseDigest(revision.image)
  const expected = images.get(digest) ?? expectedOf((await deps.image(digest)).manifest)
  images.set(digest, expected)
  return plannedRevision(pool, revision, expected)
}

/** The CI servers of the target and of every node that is still there. */
function connectionsOf(pool: PoolRecord, { nodes }: Observer['deps']): Set<string> {
  const now = specOf(pool, pool.target ?? pool.head).ci.connection
  if (pool.revisions.every(revision => revision.spec.ci.connection === now)) return new Set([now])
  const standing = nodes.list(pool.name).filter(node => node.phase !== 'gone')
  return new Set([now, ...standing.map(node => specOf(pool, node.revision).ci.connection)])
}

type Machines = { vms: (ObservedVm & { hypervisor: string })[]; hypervisors: { name: string; reachable: boolean; memoryMiB: number }[] }

async function lookAtMachines(pool: string, { deps, sightings }: Observer, notBefore: number): Promise<Machines> {
  const seen = await Promise.all([...deps.hypervisors].map(async ([name, hypervisor]) => ({ name, sighting: await sightings.hypervisor(hypervisor, notBefore) })))
  return {
    vms: seen.flatMap(({ name, sighting }) => (sighting?.byPool.get(pool) ?? []).map(vm => ({ ...vm, hypervisor: name }))),
    hypervisors: seen.map(({ name, sighting }) => ({ name, reachable: sighting !== null, memoryMiB: sighting?.memoryMiB ?? 0 })),
  }
}

type Servers = { byNode: Map<string, CiNodeStatus>; since: number } | null

/** Nodes of one pool may be enrolled at two servers while it moves from one to the other. If one of them does not answer, nothing is known. */
async function lookAtServers(connectors: (CiConnector | undefined)[], sightings: Sightings, notBefore: number): Promise<Servers> {
  const seen = await Promise.all(connectors.map(async connector => (connector === undefined ? null : await sightings.ci(connector, notBefore))))
  const [first] = seen
  if (seen.length === 1) return first ?? null
  const joined = { byNode: new Map<string, CiNodeStatus>(), since: 0 }
  for (const sighting of seen) {
    if (sighting === null) return null
    for (const [node, status] of sighting.byNode) joined.byNode.set(node, status)
    joined.since = Math.max(joined.since, sighting.since)
  }
  return joined
}

function withIdleProof(node: NodeRecord, ci: Servers, now: number, nodes: Observer['deps']['nodes']): NodeRecord {
  const since = idleSince(node, ci === null ? null : ci.byNode.get(node.name), now)
  if (since === node.idleSince) return node
  const changed = { ...node, idleSince: since }
  nodes.put(changed)
  return changed
}
