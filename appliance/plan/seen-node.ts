import type { CiNodeStatus } from '../model/ci-connector.ts'
import type { ObservedVm } from '../model/hypervisor.ts'
import type { NodeRecord } from '../model/node.ts'
import type { PlanInput, PlannedRevision } from '../model/plan.ts'
import { FRESH_HEARTBEAT_MS, LISTING_LAG_MS, SILENT_NODE_MS } from './limits.ts'

/** A node's record beside what hypervisor, CI server and guest say of it. */
export type SeenNode = {
  record: NodeRecord
  /** `unknown`: its hypervisor did not answer. `vanished`: it answered and does not list it. */
  machine: 'running' | 'stopped' | 'absent' | 'vanished' | 'unknown'
  vm: ObservedVm | null
  /** undefined: not listed. null: the CI server did not answer. */
  ci: CiNodeStatus | undefined | null
  /** Built of the target or of a revision that makes the same nodes. */
  current: boolean
  measured: Measured
  fresh: boolean
  /** Silent for so long that it is given up, provided that nobody else hears of it. */
  silent: boolean
  ready: boolean
  /** Jobs that anybody sees on it. */
  jobs: string[]
}

/** What the guest says of its image. `waiting` and `wrong` come with words. */
export type Measured = { is: 'right' } | { is: 'waiting' | 'wrong'; words: string }

export type SeenPool = { nodes: SeenNode[]; orphans: (ObservedVm & { hypervisor: string })[]; byName: Map<string, SeenNode> }

export function seePool(input: PlanInput): SeenPool {
  const reachable = new Set(input.hypervisors.filter(hypervisor => hypervisor.reachable).map(hypervisor => hypervisor.name))
  const agents = input.ci === null ? null : new Map(input.ci.map(status => [status.node, status]))
  const records = new Map(input.nodes.map(record => [record.name, record]))
  const machines = new Map<string, ObservedVm>()
  const orphans: SeenPool['orphans'] = []
  for (const vm of input.vms) {
    if (vm.ownership.applianceId !== input.applianceId || vm.ownership.pool !== input.pool) continue
    const record = records.get(vm.name)
    if (record !== undefined && isMachineOf(record, vm)) machines.set(vm.name, vm)
    else orphans.push(vm)
  }
  const nodes = input.nodes.map(record =>
    seeNode(record, machines.get(record.name) ?? null, reachable.has(record.hypervisor), agents === null ? null : agents.get(record.name), input),
  )
  return { nodes, orphans, byName: new Map(nodes.map(node => [node.record.name, node])) }
}

function isMachineOf(record: NodeRecord, vm: ObservedVm & { hypervisor: string }): boolean {
  return record.hypervisor === vm.hypervisor && record.fence === vm.ownership.fence && record.revision === vm.ownership.revision
}

function seeNode(record: NodeRecord, vm: ObservedVm | null, reachable: boolean, ci: SeenNode['ci'], input: PlanInput): SeenNode {
  const { now, target } = input
  const heard = Math.max(record.heartbeat?.at ?? record.phaseSince, input.watchingSince)
  const fresh = record.heartbeat !== null && now - record.heartbeat.at <= FRESH_HEARTBEAT_MS
  const current = target !== null && isCurrent(record, target)
  const measured = current && target !== null ? measure(record, target) : unmeasured(record)
  const machine = machineState(record, vm, reachable, now)
  const online = ci === null || (ci !== undefined && ci.online && !ci.quiesced)
  return {
    record,
    machine,
    vm,
    ci,
    current,
    measured,
    fresh,
    silent: now - heard >= SILENT_NODE_MS,
    ready: record.phase === 'healthy' && fresh && measured.is === 'right' && online && (machine === 'running' || machine === 'unknown'),
    jobs: [...new Set([...(ci?.jobs ?? []), ...(record.heartbeat?.jobs ?? [])])],
  }
}

function isCurrent(record: NodeRecord, target: PlannedRevision): boolean {
  if (!target.spec.hypervisors.includes(record.hypervisor)) return false
  return record.fence === target.fence || target.alike.includes(record.revision)
}

function machineState(record: NodeRecord, vm: ObservedVm | null, reachable: boolean, now: number): SeenNode['machine'] {
  if (vm !== null) return vm.state
  if (!reachable) return 'unknown'
  const expected = record.phase !== 'planned' && record.phase !== 'removing' && record.phase !== 'failed'
  return expected && now - record.phaseSince >= LISTING_LAG_MS ? 'vanished' : 'absent'
}

/** A node of another revision was measured when it became healthy; before that it never takes part. */
function unmeasured(record: NodeRecord): Measured {
  return record.phase === 'healthy' ? { is: 'right' } : { is: 'waiting', words: `revision ${record.revision} to be wanted again` }
}

/** Healthy is what the guest measured, not what it was built from. */
function measure(record: NodeRecord, target: PlannedRevision): Measured {
  const { heartbeat, measurement } = record
  if (heartbeat === null) return { is: 'waiting', words: 'first heartbeat' }
  if (heartbeat.layers.length !== target.layers.length || heartbeat.layers.some((layer, index) => layer !== target.layers[index])) {
    return { is: 'wrong', words: `expected the ${target.layers.length} layers of its image, found ${heartbeat.layers.length} that differ` }
  }
  if (measurement === null) return { is: 'waiting', words: 'verify commands' }
  const failed = measurement.verify.find(result => !result.passed)
  if (failed !== undefined) return { is: 'wrong', words: `verify of ${failed.role} failed: expected ${failed.expect}, found ${failed.found}` }
  if (measurement.verify.length < target.verifyCount) return { is: 'waiting', words: `verify commands (${measurement.verify.length} of ${target.verifyCount} reported)` }
  return { is: 'right' }
}
