import type { Plan, PlanCounts, PlanInput, PlannedRevision, Step, Wait } from '../model/plan.ts'
import { replacePause, verdict } from './breaker.ts'
import { nextFor, type Fate } from './node-life.ts'
import { placer } from './place.ts'
import { mebibytesOf, millisecondsOf, rolloutPolicy, ROLLOUT_DEFAULTS } from './rollout-policy.ts'
import { rolling } from './rolling.ts'
import { seePool, type SeenNode, type SeenPool } from './seen-node.ts'
import { inWords } from './words.ts'

/**
 * What to do next with a pool, and what each held-back step waits for. Pure: the same input gives the same plan.
 * A plan is one pass of a level-triggered loop; after its steps, look again.
 * @throws DD-POOL-106 when the target's rollout cannot be done.
 */
export function plan(input: PlanInput): Plan {
  const seen = seePool(input)
  const pool = decide(input, seen)
  const steps: Step[] = [...pool.steps]
  const waits: Wait[] = [...pool.waits]
  const { bootTimeout, drainTimeout } = timeouts(input.target)
  for (const node of seen.nodes) {
    const fate = pool.fates.get(node.record.name) ?? fateAlone(node, input)
    const next = nextFor({ node, fate, input, bootTimeout, drainTimeout })
    if (next === null) continue
    if ('wait' in next) waits.push({ node: node.record.name, on: next.wait })
    else if (isFrozen(input, next.step)) waits.push({ node: node.record.name, on: 'the pool to be resumed' })
    else steps.push(next.step)
  }
  return { pool: input.pool, revision: input.target?.revision ?? null, target: input.target, steps, waits: onePerNode(waits), counts: countsOf(input, seen) }
}

type Decision = { steps: Step[]; waits: Wait[]; fates: Map<string, Fate> }

function decide(input: PlanInput, seen: SeenPool): Decision {
  const orphans = adoptions(input, seen)
  if (input.deleting) {
    const steps: Step[] = isEmpty(input, seen) ? [{ kind: 'declare-empty' }] : orphans.steps
    return { steps, waits: orphans.waits, fates: new Map(seen.nodes.map(node => [node.record.name, { is: 'end', reason: 'the pool is being deleted' }])) }
  }
  const { target } = input
  if (target === null) return { ...orphans, fates: new Map() }
  if (target.failed) return { steps: orphans.steps, waits: [...orphans.waits, { node: null, on: `a person: revision ${target.revision} failed` }], fates: plannedToEnd(seen) }
  if (input.paused) return { steps: [], waits: [{ node: null, on: 'the pool to be resumed' }], fates: new Map() }
  return rollOut(input, target, seen, orphans)
}

function rollOut(input: PlanInput, target: PlannedRevision, seen: SeenPool, orphans: { steps: Step[]; waits: Wait[] }): Decision {
  const policy = rolloutPolicy(target.spec)
  const wanted = rolling(input, target, policy, seen)
  const failed = verdict(input, target, policy, wanted.canaries)
  if (failed !== null) {
    return { steps: [...orphans.steps, { kind: 'fail-rollout', revision: target.revision, ...failed }], waits: orphans.waits, fates: plannedToEnd(seen) }
  }
  const steps = [...orphans.steps]
  const waits = [...orphans.waits, ...wanted.waits]
  const pause = wanted.create > 0 ? replacePause(input, target, seen) : 0
  if (pause > 0) waits.push({ node: null, on: `the next try to replace a failed node (in ${inWords(pause)})` })
  const place = placer(input.hypervisors, target.spec.hypervisors, mebibytesOf(target.spec.hardware.memory))
  for (let made = 0; pause === 0 && made < wanted.create; made += 1) {
    const hypervisor = place()
    if (hypervisor === null) {
      waits.push({ node: null, on: `a hypervisor of ${target.spec.hypervisors.join(', ')} with ${target.spec.hardware.memory} of memory free` })
      break
    }
    steps.push({ kind: 'create-node', hypervisor })
  }
  if (isHealthy(input, target, seen)) steps.push({ kind: 'declare-healthy', revision: target.revision, nodes: target.spec.size })
  return { steps, waits, fates: clashesToEnd(seen, wanted.fates) }
}

/** Every node is of the target and ready, nothing else is left, and this was not said before. */
function isHealthy(input: PlanInput, target: PlannedRevision, seen: SeenPool): boolean {
  if (input.lastHealthy === target.revision || input.ci === null || seen.orphans.length > 0) return false
  return seen.nodes.length === target.spec.size && seen.nodes.every(node => node.current && node.ready)
}

/** Nothing is left, and every hypervisor was asked: one that does not answer may still hold a machine. */
function isEmpty(input: PlanInput, seen: SeenPool): boolean {
  return seen.nodes.length === 0 && seen.orphans.length === 0 && input.hypervisors.every(hypervisor => hypervisor.reachable)
}

/** Machines of ours whose record is gone or never was: they get one and end by it. One with a higher fence is not ours to judge. */
function adoptions(input: PlanInput, seen: SeenPool): { steps: Step[]; waits: Wait[] } {
  const steps: Step[] = []
  const waits: Wait[] = []
  for (const vm of seen.orphans) {
    const { name, hypervisor, ownership, image } = vm
    if (ownership.fence > input.fence) {
      waits.push({ node: null, on: `a person: ${name} on ${hypervisor} carries fence ${ownership.fence}, this pool is at ${input.fence} (was a backup restored?)` })
    } else if (seen.byName.has(name) || steps.some(step => step.kind === 'adopt-vm' && step.node === name)) {
      waits.push({ node: null, on: `${name} on ${hypervisor}: another machine of this name has the record` })
    } else if (!input.paused || input.deleting) {
      steps.push({ kind: 'adopt-vm', node: name, hypervisor, ownership, image })
    }
  }
  return { steps, waits }
}

/** A name whose machine exists already (numbers fell back with a restored backup) is given up; the machine is adopted after that. */
function clashesToEnd(seen: SeenPool, fates: Map<string, Fate>): Map<string, Fate> {
  for (const orphan of seen.orphans) {
    if (seen.byName.get(orphan.name)?.record.phase === 'planned') fates.set(orphan.name, { is: 'end', reason: 'its name is taken' })
  }
  return fates
}

function plannedToEnd(seen: SeenPool): Map<string, Fate> {
  return new Map(seen.nodes.filter(node => node.record.phase === 'planned').map(node => [node.record.name, { is: 'end', reason: 'the rollout failed' }]))
}

function fateAlone(node: SeenNode, input: PlanInput): Fate {
  if (node.record.failure !== null) return { is: 'end', reason: node.record.failure }
  return input.target === null && node.record.phase !== 'healthy' ? { is: 'end', reason: 'the pool has no target' } : { is: 'keep' }
}

/** A paused pool is watched, and what boots may finish; nothing is built, quiesced or destroyed. */
function isFrozen(input: PlanInput, step: Step): boolean {
  return input.paused && !input.deleting && step.kind !== 'set-phase' && step.kind !== 'enrol-ci'
}

function timeouts(target: PlannedRevision | null): { bootTimeout: number; drainTimeout: number } {
  const rollout = { ...ROLLOUT_DEFAULTS, ...target?.spec.rollout }
  return { bootTimeout: millisecondsOf(rollout.bootTimeout), drainTimeout: millisecondsOf(rollout.drainTimeout) }
}

function onePerNode(waits: Wait[]): Wait[] {
  const named = new Set<string>()
  return waits.filter(({ node }) => node === null || (!named.has(node) && named.add(node)))
}

function countsOf(input: PlanInput, seen: SeenPool): PlanCounts {
  const counts: PlanCounts = { ready: 0, new: 0, old: 0, draining: 0, size: input.deleting ? 0 : (input.target?.spec.size ?? 0) }
  for (const node of seen.nodes) {
    if (node.ready) counts.ready += 1
    if (ENDING.has(node.record.phase)) counts.draining += 1
    else if (!node.current) counts.old += 1
    else if (node.ready) counts.new += 1
  }
  return counts
}

const ENDING = new Set(['draining', 'drained', 'removing', 'failed'])
