import t from 'tap'
import { DrydockError } from '../../../appliance/core/error.ts'
import type { PlanInput, Step } from '../../../appliance/model/plan.ts'
import { check } from '../../../appliance/plan/check.ts'
import { agent, IMAGE, input, machine, node, NOW, planOf, replacing, target } from './inputs.ts'

const ours = machine('lin-1').ownership
const leaving = node('lin-1', { phase: 'removing' })
const drained = node('lin-1', { phase: 'drained' })
const destroy: Step = { kind: 'destroy-vm', node: 'lin-1', hypervisor: 'rack-a', ownership: ours, reason: '' }
const remove: Step = { kind: 'remove-node', node: 'lin-1', reason: '' }
const quiesce = (name: string): Step => ({ kind: 'quiesce-node', node: name, reason: '' })
const create: Step = { kind: 'create-node', hypervisor: 'rack-a' }

/** A machine on its way out that may be destroyed; each refusal below changes one thing. */
const out = (change: Partial<PlanInput> = {}): PlanInput => input({ nodes: [leaving, node('lin-2')], ci: [agent('lin-2')], ...change })

const passes: Record<string, [Step[], PlanInput]> = {
  'a machine on its way out, seen, ours and out of the CI is destroyed': [[destroy], out()],
  'a node with both proofs leaves the CI': [[remove], input({ nodes: [drained, node('lin-2')], ci: [agent('lin-1', { quiesced: true }), agent('lin-2')] })],
  'an old node is quiesced while enough others are ready': [[quiesce('lin-1')], replacing({ nodes: [node('lin-1'), node('lin-2'), node('lin-3', { revision: 2, fence: 2 })], vms: [machine('lin-1'), machine('lin-2'), machine('lin-3')], ci: [agent('lin-1'), agent('lin-2'), agent('lin-3')] })],
  'one node more is made within the surge': [[create], replacing()],
}

for (const [promise, [steps, from]] of Object.entries(passes)) {
  void t.test(promise, async t => {
    t.doesNotThrow(() => check(planOf(steps, from), from))
  })
}

const refusals: Record<string, [string, Step[], PlanInput]> = {
  'a machine of another appliance': ['DD-POOL-101', [destroy], out({ vms: [machine('lin-1', { ownership: { ...ours, applianceId: 'appliance-b' } })] })],
  'a machine of another pool': ['DD-POOL-101', [destroy], out({ vms: [machine('lin-1', { ownership: { ...ours, pool: 'other' } })] })],
  'a machine without an appliance id': ['DD-POOL-101', [{ ...destroy, ownership: { ...ours, applianceId: '' } }], out({ applianceId: '', vms: [machine('lin-1', { ownership: { ...ours, applianceId: '' } })] })],
  'a machine whose fence is not the one that was meant': ['DD-POOL-101', [{ ...destroy, ownership: { ...ours, fence: 0 } }], out()],
  'a machine of a higher fence': ['DD-POOL-101', [{ ...destroy, ownership: { ...ours, fence: 9 } }], out({ vms: [machine('lin-1', { ownership: { ...ours, fence: 9 } })] })],
  'a machine that nobody has seen': ['DD-POOL-101', [destroy], out({ vms: [] })],
  'a machine on a hypervisor that does not answer': ['DD-POOL-101', [destroy], out({ hypervisors: [{ name: 'rack-a', reachable: false, freeMemoryMiB: 0 }] })],
  'the machine of a healthy node': ['DD-POOL-101', [destroy], input()],
  'adopting a machine of another appliance': ['DD-POOL-101', [{ kind: 'adopt-vm', node: 'lin-1', hypervisor: 'rack-a', ownership: ours, image: IMAGE }], input({ nodes: [], vms: [machine('lin-1', { ownership: { ...ours, applianceId: 'appliance-b' } })] })],
  'destroying while the CI server does not answer': ['DD-POOL-102', [destroy], out({ ci: null })],
  'destroying what the CI server still lists': ['DD-POOL-102', [destroy], out({ ci: [agent('lin-1')] })],
  'destroying what says that it works': ['DD-POOL-102', [destroy], out({ nodes: [{ ...leaving, heartbeat: { ...leaving.heartbeat!, jobs: ['build#1'] } }] })],
  'taking from the CI what runs a job there': ['DD-POOL-102', [remove], input({ nodes: [drained], ci: [agent('lin-1', { quiesced: true, jobs: ['build#1'] })] })],
  'taking from the CI what runs a job by its own word': ['DD-POOL-102', [remove], input({ nodes: [{ ...drained, heartbeat: { ...drained.heartbeat!, jobs: ['build#1'] } }], ci: [agent('lin-1', { quiesced: true })] })],
  'taking from the CI what may be given jobs': ['DD-POOL-102', [remove], input({ nodes: [drained] })],
  'taking from the CI before the quiet window is over': ['DD-POOL-102', [remove], input({ nodes: [{ ...drained, idleSince: NOW - 4999 }], ci: [agent('lin-1', { quiesced: true })] })],
  'taking from the CI without a heartbeat since': ['DD-POOL-102', [remove], input({ nodes: [{ ...drained, heartbeat: { ...drained.heartbeat!, at: NOW - 70_000 } }], ci: [agent('lin-1', { quiesced: true })] })],
  'a node beyond the surge': ['DD-POOL-103', [create, create], replacing()],
  'a node where there is no memory': ['DD-POOL-103', [create], replacing({ hypervisors: [{ name: 'rack-a', reachable: true, freeMemoryMiB: 100 }] })],
  'a node on a hypervisor that is not the pool’s': ['DD-POOL-103', [{ kind: 'create-node', hypervisor: 'rack-z' }], replacing()],
  'a node of a revision that failed': ['DD-POOL-103', [create], replacing({ target: target({ revision: 2, fence: 2, failed: true }) })],
  'booting a name that has a machine': ['DD-POOL-103', [{ kind: 'boot-node', node: 'lin-1', hypervisor: 'rack-a' }], input({ nodes: [node('lin-1', { phase: 'planned' })] })],
  'booting an old fence': ['DD-POOL-103', [{ kind: 'boot-node', node: 'lin-1', hypervisor: 'rack-a' }], replacing({ nodes: [node('lin-1', { phase: 'planned' })], vms: [] })],
  'quiescing below the floor': ['DD-POOL-104', [quiesce('lin-1')], replacing()],
  'two steps on one node': ['DD-POOL-105', [quiesce('lin-1'), remove], input()],
  'anything but watching in a paused pool': ['DD-POOL-105', [quiesce('lin-1')], input({ paused: true })],
  'a step on a node without a record': ['DD-POOL-105', [quiesce('lin-9')], input()],
  'resuming a failed node': ['DD-POOL-105', [{ kind: 'resume-node', node: 'lin-1' }], input({ nodes: [node('lin-1', { phase: 'draining', failure: 'x' })] })],
  'calling a node gone whose machine is seen': ['DD-POOL-105', [{ kind: 'set-phase', node: 'lin-1', phase: 'gone' }], out()],
  'calling a node gone whose hypervisor does not answer': ['DD-POOL-105', [{ kind: 'set-phase', node: 'lin-1', phase: 'gone' }], out({ vms: [], hypervisors: [] })],
  'calling a node enrolled that reports other layers': ['DD-POOL-105', [{ kind: 'set-phase', node: 'lin-1', phase: 'enrolled' }], input({ nodes: [node('lin-1', { phase: 'booting', heartbeat: { ...leaving.heartbeat!, layers: [] } })] })],
  'calling a pool healthy with an old node left': ['DD-POOL-105', [{ kind: 'declare-healthy', revision: 1, nodes: 2 }], input({ nodes: [node('lin-1'), node('lin-2'), node('lin-3')] })],
  'calling a pool empty that has nodes': ['DD-POOL-105', [{ kind: 'declare-empty' }], input({ deleting: true })],
  'rolling back to the same revision': ['DD-POOL-105', [{ kind: 'fail-rollout', revision: 1, reason: '', rollbackTo: 1 }], input()],
}

for (const [promise, [code, steps, from]] of Object.entries(refusals)) {
  void t.test(`refused: ${promise}`, async t => {
    const refused = t.throws(() => check(planOf(steps, from), from), DrydockError)
    t.match(refused, { code })
  })
}
