import { DrydockError } from '../core/error.ts'
import type { CiConnector } from '../model/ci-connector.ts'
import type { Hypervisor } from '../model/hypervisor.ts'
import type { NodeRecord } from '../model/node.ts'
import type { Plan, PlannedRevision, Step } from '../model/plan.ts'
import { mebibytesOf } from '../plan/rollout-policy.ts'
import type { Effects } from './ports.ts'

/** "Not yet" is a tag, not an error: the world moved on since the plan was made, and the next plan will see it. */
export type StepDone = { outcome: 'done' } | { outcome: 'not-yet'; on: string }

type StepOf<K extends Step['kind']> = Extract<Step, { kind: K }>
type EffectTable = { readonly [K in Step['kind']]: (step: StepOf<K>, plan: Plan, effects: Effects) => Promise<StepDone> }

const DONE: StepDone = { outcome: 'done' }

/** Each kind of step is one effect that may be repeated after a crash at any point of it. */
export const STEP_EFFECTS: EffectTable = {
  'create-node': createNode,
  'boot-node': bootNode,
  'adopt-vm': adoptVm,
  'enrol-ci': enrolCi,
  'quiesce-node': quiesceNode,
  'resume-node': resumeNode,
  'remove-node': removeNode,
  'destroy-vm': destroyVm,
  'set-phase': setPhase,
  'declare-healthy': async (step, plan, { verdicts }) => {
    await verdicts.declareHealthy(plan.pool, step.revision, step.nodes)
    return DONE
  },
  'declare-empty': async (_step, plan, { verdicts }) => {
    verdicts.declareEmpty(plan.pool)
    return DONE
  },
  'fail-rollout': async (step, plan, { verdicts }) => {
    await verdicts.failRollout(plan.pool, step.revision, step.reason, step.rollbackTo)
    return DONE
  },
}

/** The name is durable before there is a machine: a crash in between leaves a planned record, which is booted or cleaned away. */
async function createNode(step: StepOf<'create-node'>, plan: Plan, effects: Effects): Promise<StepDone> {
  const target = targetOf(plan)
  const now = effects.clock.now().getTime()
  const [name] = effects.nodes.allocate(target.spec.nodeName, 1)
  if (name === undefined) return { outcome: 'not-yet', on: 'a name' }
  effects.nodes.put({
    ...blank(now),
    name,
    pool: plan.pool,
    revision: target.revision,
    fence: target.fence,
    hypervisor: step.hypervisor,
    image: target.image,
    phase: 'planned',
  })
  return DONE
}

async function bootNode(step: StepOf<'boot-node'>, plan: Plan, effects: Effects): Promise<StepDone> {
  const target = targetOf(plan)
  const hypervisor = hypervisorOf(step.hypervisor, effects)
  const record = effects.nodes.get(step.node)
  if (record?.phase !== 'planned') return movedOn(step.node)
  const { manifest, folder } = await effects.image(target.image)
  await hypervisor.ensureImage({ digest: target.image, folder, commandLine: manifest.commandLine }, effects.signal)
  await hypervisor.create(
    {
      name: record.name,
      ownership: { applianceId: effects.applianceId, pool: record.pool, revision: record.revision, fence: record.fence },
      image: target.image,
      hardware: { cpus: target.spec.hardware.cpus, memoryMiB: mebibytesOf(target.spec.hardware.memory) },
      nodeJson: await effects.nodeJson({ name: record.name, pool: record.pool }),
    },
    effects.signal,
  )
  change(record.name, { phase: 'booting' }, effects)
  emit('create.node', record.name, { image: `${record.pool}@${target.image}`, hypervisor: step.hypervisor }, plan, effects)
  return DONE
}

/** Its earlier life, if there was one, is over: no heartbeat or enrolment of that counts. */
async function adoptVm(step: StepOf<'adopt-vm'>, plan: Plan, effects: Effects): Promise<StepDone> {
  const now = effects.clock.now().getTime()
  effects.nodes.put({
    ...blank(now),
    name: step.node,
    pool: plan.pool,
    revision: step.ownership.revision,
    fence: step.ownership.fence,
    hypervisor: step.hypervisor,
    image: step.image,
    phase: 'draining',
    failure: 'lost: its machine had no record',
    failedAt: now,
  })
  emit('adopt.node', step.node, { hypervisor: step.hypervisor, revision: step.ownership.revision }, plan, effects)
  return DONE
}

async function enrolCi(step: StepOf<'enrol-ci'>, plan: Plan, effects: Effects): Promise<StepDone> {
  const record = effects.nodes.get(step.node)
  if (record?.phase !== 'enrolled') return movedOn(step.node)
  const ci = ciOf(record, effects)
  const enrolment = await ci.enrol({ name: step.node, labels: targetOf(plan).spec.ci.labels }, effects.signal)
  effects.enrolments.set(step.node, enrolment)
  change(step.node, { phase: 'enrolled', ciAgentId: enrolment.agentId }, effects)
  emit('register.ci', step.node, { ci: ci.name, agent_id: enrolment.agentId }, plan, effects)
  return DONE
}

/** The record first: after a crash the server is asked again, and what somebody else quiesced can be told from what we did. */
async function quiesceNode(step: StepOf<'quiesce-node'>, plan: Plan, effects: Effects): Promise<StepDone> {
  const record = effects.nodes.get(step.node)
  if (record === undefined) return movedOn(step.node)
  if (record.phase !== 'draining') startDraining(record, plan, effects)
  await ciOf(record, effects).quiesce(step.node, effects.signal)
  return DONE
}

async function resumeNode(step: StepOf<'resume-node'>, plan: Plan, effects: Effects): Promise<StepDone> {
  const record = effects.nodes.get(step.node)
  if (record?.phase !== 'draining' && record?.phase !== 'drained') return movedOn(step.node)
  await ciOf(record, effects).resume(step.node, effects.signal)
  change(step.node, { phase: 'healthy', idleSince: null }, effects)
  emit('resume.node', step.node, {}, plan, effects)
  return DONE
}

async function removeNode(step: StepOf<'remove-node'>, _plan: Plan, effects: Effects): Promise<StepDone> {
  const record = effects.nodes.get(step.node)
  if (record === undefined) return movedOn(step.node)
  await ciOf(record, effects).remove(step.node, effects.signal)
  effects.enrolments.delete(step.node)
  if (record.phase !== 'removing') change(step.node, { phase: 'removing' }, effects)
  return DONE
}

/** That it is gone is not said here: the next look must find it so. */
async function destroyVm(step: StepOf<'destroy-vm'>, _plan: Plan, effects: Effects): Promise<StepDone> {
  await hypervisorOf(step.hypervisor, effects).destroy(step.node, step.ownership, effects.signal)
  return DONE
}

async function setPhase(step: StepOf<'set-phase'>, plan: Plan, effects: Effects): Promise<StepDone> {
  const record = effects.nodes.get(step.node)
  if (record === undefined) return movedOn(step.node)
  const now = effects.clock.now().getTime()
  if (step.phase === 'draining') {
    if (record.phase === 'drained' || record.phase === 'removing') change(step.node, { phase: 'draining', idleSince: null }, effects)
    else startDraining(record, plan, effects)
    return DONE
  }
  change(step.node, { phase: step.phase, ...(step.failure === undefined ? {} : { failure: step.failure, failedAt: now }) }, effects)
  if (step.phase === 'enrolled' && record.phase === 'booting') emit('boot.node', step.node, { hypervisor: record.hypervisor, seconds: Math.round(((record.firstHeartbeatAt ?? now) - record.phaseSince) / 100) / 10 }, plan, effects)
  if (step.phase === 'failed') emit('fail.node', step.node, { reason: step.failure ?? 'unknown' }, plan, effects)
  if (step.phase === 'gone' && record.phase !== 'planned') emit('remove.node', step.node, { hypervisor: record.hypervisor }, plan, effects)
  return DONE
}

function startDraining(record: NodeRecord, plan: Plan, effects: Effects): void {
  change(record.name, { phase: 'draining', idleSince: null }, effects)
  emit('drain.node', record.name, { status: 'quiescing', jobs: record.heartbeat?.jobs.length ?? 0 }, plan, effects)
}

/** Reads again and writes in one go: a heartbeat may have come since the plan was made. */
function change(name: string, to: Partial<NodeRecord> & Pick<NodeRecord, 'phase'>, effects: Effects): void {
  const record = effects.nodes.get(name)
  if (record !== undefined) effects.nodes.put({ ...record, phaseSince: effects.clock.now().getTime(), ...to })
}

function emit(type: string, node: string, fields: Record<string, string | number | boolean>, plan: Plan, effects: Effects): void {
  effects.events.emit({ type, subject: `node:${node}`, operation: plan.target?.operation ?? null, fields: { node, ...fields } })
}

function blank(now: number): Pick<NodeRecord, 'phaseSince' | 'createdAt' | 'heartbeat' | 'measurement' | 'idleSince' | 'waitsFor' | 'failure' | 'ciAgentId'> {
  return { phaseSince: now, createdAt: now, heartbeat: null, measurement: null, idleSince: null, waitsFor: null, failure: null, ciAgentId: null }
}

function movedOn(node: string): StepDone {
  return { outcome: 'not-yet', on: `${node} to be looked at again: it moved on since the plan was made` }
}

/** The checker has let the plan through, so a plan without a target holds no step that builds. */
function targetOf(plan: Plan): PlannedRevision {
  if (plan.target !== null) return plan.target
  throw new DrydockError('DD-POOL-103', `expected a revision to build for pool ${plan.pool}, found none`, 'report this: the plan should have been refused')
}

function hypervisorOf(name: string, effects: Effects): Hypervisor {
  const hypervisor = effects.hypervisors.get(name)
  if (hypervisor !== undefined) return hypervisor
  throw new DrydockError('DD-POOL-107', `expected the hypervisor ${name} to be connected, found it is not`, `connect it again: drydock hypervisor add ${name}`)
}

function ciOf(record: NodeRecord, effects: Effects): CiConnector {
  const ci = effects.ciOf(record)
  if (ci !== undefined) return ci
  throw new DrydockError('DD-POOL-107', `expected the CI server of ${record.name} to be connected, found it is not`, 'connect it again: drydock ci add')
}
