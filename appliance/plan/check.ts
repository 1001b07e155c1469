import { DrydockError } from '../core/error.ts'
import type { CiNodeStatus } from '../model/ci-connector.ts'
import type { ObservedVm } from '../model/hypervisor.ts'
import type { NodeRecord } from '../model/node.ts'
import type { Plan, PlanInput, Step } from '../model/plan.ts'
import { FRESH_HEARTBEAT_MS, SILENT_NODE_MS } from './limits.ts'
import { mebibytesOf, rolloutPolicy } from './rollout-policy.ts'

/**
 * The second opinion on every plan, before anything of it is done. It shares no reasoning with the planner: it knows only raw
 * observations and the promises of design/pools.md. One broken promise refuses the whole plan.
 * @throws DD-POOL-101 not ours · 102 not idle · 103 too many · 104 too few ready · 105 contradiction
 */
export function check(plan: Plan, input: PlanInput): void {
  if (plan.steps.length === 0) return
  const world = facts(input)
  oneStepPerNode(plan)
  for (const step of plan.steps) {
    if (input.paused && !input.deleting && !HARMLESS.has(step.kind)) refuse('DD-POOL-105', `expected nothing but watching in a paused pool, found ${step.kind}`)
    if (step.kind === 'destroy-vm') mayDestroy(step, input, world)
    if (step.kind === 'adopt-vm') isOurs(step, input, world)
    if (step.kind === 'remove-node') isIdle(step.node, input, world)
    if (step.kind === 'boot-node') mayBoot(step, input, world)
    if (step.kind === 'set-phase') mayChange(step, input, world)
    if (step.kind === 'quiesce-node' || step.kind === 'resume-node' || step.kind === 'enrol-ci') recordOf(step.node, world)
    if (step.kind === 'resume-node' && recordOf(step.node, world).failure !== null) refuse('DD-POOL-105', `expected a failed node to end, found ${step.node} resumed`)
    if (step.kind === 'fail-rollout' && step.rollbackTo === step.revision) refuse('DD-POOL-105', `expected a rollback to another revision, found ${step.revision}`)
    if (step.kind === 'declare-healthy') allReady(step, input, world)
    if (step.kind === 'declare-empty' && (!input.deleting || input.nodes.length > 0 || input.hypervisors.some(one => !one.reachable))) {
      refuse('DD-POOL-105', `expected a deleted pool without nodes, found ${input.nodes.length} or a hypervisor that does not answer`)
    }
  }
  withinSurge(plan, input, world)
  aboveFloor(plan, input, world)
}

const HARMLESS = new Set<Step['kind']>(['set-phase', 'enrol-ci'])

type Machine = ObservedVm & { hypervisor: string }
type Facts = { records: Map<string, NodeRecord>; machines: Map<string, Machine[]>; agents: Map<string, CiNodeStatus>; reachable: Map<string, number> }
type StepOf<K extends Step['kind']> = Extract<Step, { kind: K }>

function facts(input: PlanInput): Facts {
  const machines = new Map<string, Machine[]>()
  for (const vm of input.vms) machines.set(vm.name, [...(machines.get(vm.name) ?? []), vm])
  return {
    records: new Map(input.nodes.map(record => [record.name, record])),
    machines,
    agents: new Map((input.ci ?? []).map(status => [status.node, status])),
    reachable: new Map(input.hypervisors.filter(one => one.reachable).map(one => [one.name, one.freeMemoryMiB])),
  }
}

function oneStepPerNode(plan: Plan): void {
  const named = new Set<string>()
  for (const step of plan.steps) {
    if (!('node' in step)) continue
    if (named.has(step.node)) refuse('DD-POOL-105', `expected one step for ${step.node}, found a second: ${step.kind}`)
    named.add(step.node)
  }
}

/** Without all four ownership fields, seen now on a hypervisor that answered, nothing is destroyed. */
function isOurs(step: StepOf<'destroy-vm' | 'adopt-vm'>, input: PlanInput, world: Facts): void {
  const machine = (world.machines.get(step.node) ?? []).find(vm => vm.hypervisor === step.hypervisor)
  if (machine === undefined || !world.reachable.has(step.hypervisor)) return refuse('DD-POOL-101', `expected ${step.node} to be seen on ${step.hypervisor}, found nothing`)
  const { applianceId, pool, revision, fence } = machine.ownership
  const same = step.ownership.applianceId === applianceId && step.ownership.pool === pool && step.ownership.revision === revision && step.ownership.fence === fence
  if (applianceId === '' || applianceId !== input.applianceId || pool !== input.pool || !Number.isInteger(revision) || !same) {
    refuse('DD-POOL-101', `expected ${step.node} on ${step.hypervisor} to be of ${input.applianceId}, pool ${input.pool}, found ${applianceId}, pool ${pool}, revision ${revision}, fence ${fence}`)
  }
  if (!Number.isInteger(fence) || fence > input.fence) refuse('DD-POOL-101', `expected ${step.node} to carry at most fence ${input.fence}, found ${fence}`)
}

function mayDestroy(step: StepOf<'destroy-vm'>, input: PlanInput, world: Facts): void {
  isOurs(step, input, world)
  const record = recordOf(step.node, world)
  if (record.phase !== 'removing' || record.fence !== step.ownership.fence || record.hypervisor !== step.hypervisor) {
    refuse('DD-POOL-101', `expected ${step.node} to be on its way out by its own record, found it ${record.phase} with fence ${record.fence} on ${record.hypervisor}`)
  }
  if (input.ci === null) refuse('DD-POOL-102', `expected the CI server to say that ${step.node} is gone from it, found no answer`)
  if (world.agents.has(step.node)) refuse('DD-POOL-102', `expected ${step.node} to be out of the CI, found it listed`)
  if (runs(step.node, step.hypervisor, world) && hasFreshJobs(record, input)) refuse('DD-POOL-102', `expected ${step.node} to be idle by its own word, found ${record.heartbeat?.jobs.join(', ')}`)
}

/** Out of the CI only with both proofs, or when nothing of it runs, or when nobody can ever have given it a job or has heard of it for long. */
function isIdle(node: string, input: PlanInput, world: Facts): void {
  const record = recordOf(node, world)
  const agent = world.agents.get(node)
  if (input.ci === null) refuse('DD-POOL-102', `expected the CI server to prove ${node} idle, found no answer`)
  if (!runs(node, record.hypervisor, world) && world.reachable.has(record.hypervisor)) return
  if (agent === undefined && record.phase === 'removing') return
  if (agent === undefined && record.ciAgentId === null && (record.heartbeat?.jobs.length ?? 0) === 0) return
  if ((agent?.jobs.length ?? 0) > 0) refuse('DD-POOL-102', `expected ${node} to be idle, found job ${agent?.jobs.join(', ')} at the CI server`)
  if (hasFreshJobs(record, input)) refuse('DD-POOL-102', `expected ${node} to be idle, found job ${record.heartbeat?.jobs.join(', ')} by its own word`)
  const heard = Math.max(record.heartbeat?.at ?? record.phaseSince, input.watchingSince)
  if (input.now - heard >= SILENT_NODE_MS && agent?.online !== true) return
  if (record.phase === 'removing') return
  if (agent !== undefined && !agent.quiesced) refuse('DD-POOL-102', `expected ${node} to be quiesced, found that it may be given jobs`)
  const proven = record.idleSince !== null && input.now - record.idleSince >= input.quietWindow && record.heartbeat !== null && record.heartbeat.at > record.idleSince
  if (!proven) refuse('DD-POOL-102', `expected ${node} idle by both proofs for ${input.quietWindow} ms, found ${record.idleSince === null ? 'no proof' : `${input.now - record.idleSince} ms`}`)
}

function mayBoot(step: StepOf<'boot-node'>, input: PlanInput, world: Facts): void {
  const record = recordOf(step.node, world)
  const target = input.target
  if (target === null || input.deleting || record.phase !== 'planned') return refuse('DD-POOL-103', `expected a planned node of a wanted pool, found ${step.node} ${record.phase}`)
  if (record.fence !== target.fence && !target.alike.includes(record.revision)) refuse('DD-POOL-103', `expected ${step.node} to be of fence ${target.fence}, found ${record.fence}`)
  if (!world.reachable.has(step.hypervisor) || record.hypervisor !== step.hypervisor) refuse('DD-POOL-103', `expected ${record.hypervisor} to answer before ${step.node} boots there, found that it does not`)
  if (world.machines.has(step.node)) refuse('DD-POOL-103', `expected no machine named ${step.node}, found one`)
}

/** `gone` is said only of what a hypervisor that answered does not list; `healthy` only of what measured right. */
function mayChange(step: StepOf<'set-phase'>, input: PlanInput, world: Facts): void {
  const record = recordOf(step.node, world)
  if (step.phase === 'gone' && (!world.reachable.has(record.hypervisor) || (runs(step.node, record.hypervisor, world) && record.phase !== 'planned'))) {
    refuse('DD-POOL-105', `expected ${step.node} to be seen to be gone, found its machine or no answer of ${record.hypervisor}`)
  }
  if (step.phase === 'healthy' && world.agents.get(step.node)?.online !== true) refuse('DD-POOL-105', `expected ${step.node} to be online before it is healthy, found it is not`)
  if (step.phase === 'enrolled' && input.target !== null && record.phase === 'booting' && !hasLayers(record, input.target.layers)) {
    refuse('DD-POOL-105', `expected ${step.node} to report the layers of its image, found others`)
  }
}

/** size + surge is never exceeded by a node that is made; nor is a hypervisor's memory. */
function withinSurge(plan: Plan, input: PlanInput, world: Facts): void {
  const made = plan.steps.filter(step => step.kind === 'create-node')
  if (made.length === 0) return
  const { target } = input
  if (target === null || input.deleting || target.failed) return refuse('DD-POOL-103', 'expected no new node in a pool without a wanted revision, found one')
  const strays = input.vms.filter(vm => vm.ownership.applianceId === input.applianceId && vm.ownership.pool === input.pool && !world.records.has(vm.name)).length
  const most = target.spec.size + rolloutPolicy(target.spec).surge
  if (input.nodes.length + strays + made.length > most) refuse('DD-POOL-103', `expected at most ${most} nodes, found ${input.nodes.length + strays} and ${made.length} more`)
  const memory = mebibytesOf(target.spec.hardware.memory)
  for (const name of new Set(made.map(step => step.hypervisor))) {
    const there = made.filter(step => step.hypervisor === name).length
    const free = target.spec.hypervisors.includes(name) ? world.reachable.get(name) : undefined
    if (free === undefined || there * memory > free) refuse('DD-POOL-103', `expected ${there * memory} MiB free on ${name}, found ${free ?? 'that it is not for this pool or does not answer'}`)
  }
}

/** What is taken away on purpose leaves size − maxUnavailable ready ones; nodes that are not ready take nothing away. */
function aboveFloor(plan: Plan, input: PlanInput, world: Facts): void {
  if (input.deleting || input.target === null) return
  const taken = plan.steps.filter(step => step.kind === 'quiesce-node' && world.records.get(step.node)?.failure === null && isReady(step.node, input, world)).length
  if (taken === 0) return
  const ready = input.nodes.filter(node => isReady(node.name, input, world)).length
  const floor = input.target.spec.size - rolloutPolicy(input.target.spec).unavailable
  if (ready - taken < floor) refuse('DD-POOL-104', `expected at least ${floor} ready nodes to stay, found ${ready} ready and ${taken} to be taken`)
}

function allReady(step: StepOf<'declare-healthy'>, input: PlanInput, world: Facts): void {
  const ready = input.nodes.filter(node => isReady(node.name, input, world) && (input.target === null || hasLayers(node, input.target.layers))).length
  if (ready !== step.nodes || input.nodes.length !== step.nodes || input.target?.spec.size !== step.nodes) refuse('DD-POOL-105', `expected ${step.nodes} ready nodes and no other, found ${ready} of ${input.nodes.length}`)
}

function recordOf(node: string, world: Facts): NodeRecord {
  return world.records.get(node) ?? refuse('DD-POOL-105', `expected a record of ${node}, found none`)
}

/** Unknown counts as running: a machine on a hypervisor that does not answer may do anything. */
function runs(node: string, hypervisor: string, world: Facts): boolean {
  if (!world.reachable.has(hypervisor)) return true
  return (world.machines.get(node) ?? []).some(vm => vm.hypervisor === hypervisor && vm.state === 'running')
}

function hasFreshJobs(record: NodeRecord, input: PlanInput): boolean {
  return record.heartbeat !== null && record.heartbeat.jobs.length > 0 && input.now - Math.max(record.heartbeat.at, input.watchingSince) < SILENT_NODE_MS
}

function isReady(node: string, input: PlanInput, world: Facts): boolean {
  const record = recordOf(node, world)
  const agent = world.agents.get(node)
  if (record.phase !== 'healthy' || record.heartbeat === null || input.now - record.heartbeat.at > FRESH_HEARTBEAT_MS) return false
  if (!runs(node, record.hypervisor, world)) return false
  return input.ci === null || (agent !== undefined && agent.online && !agent.quiesced)
}

function hasLayers(record: NodeRecord, layers: readonly string[]): boolean {
  return record.heartbeat !== null && record.heartbeat.layers.join() === layers.join()
}

function refuse(code: 'DD-POOL-101' | 'DD-POOL-102' | 'DD-POOL-103' | 'DD-POOL-104' | 'DD-POOL-105', message: string): never {
  throw new DrydockError(code, message, 'nothing was done; the pool is looked at again shortly. If this stays, report it with the appliance log of these minutes')
}
