import t from 'tap'
import { plan } from '../../../appliance/plan/plan.ts'
import { countOf, millisecondsOf, rolloutPolicy } from '../../../appliance/plan/rollout-policy.ts'
import { inWords } from '../../../appliance/plan/words.ts'
import { agent, input, machine, node, NOW, replacing, target } from './inputs.ts'

const kinds = (of: ReturnType<typeof plan>) => of.steps.map(step => `${step.kind}${'node' in step ? ` ${step.node}` : ''}`)

void t.test('a pool that is as it should be has nothing to do and waits for nothing', async t => {
  t.match(plan(input()), { steps: [], waits: [], counts: { ready: 2, new: 2, old: 0, draining: 0, size: 2 } })
})

void t.test('the same input gives the same plan, and the input is left as it was', async t => {
  const from = replacing()
  const before = structuredClone(from)
  t.strictSame(plan(from), plan(from))
  t.strictSame(from, before)
})

void t.test('a change of size alone keeps the nodes: the fence did not change', async t => {
  const grown = target({ revision: 2, spec: { ...target().spec, size: 3 } })
  t.strictSame(kinds(plan(input({ target: grown }))), ['create-node'])
  const shrunk = target({ revision: 2, spec: { ...target().spec, size: 1 } })
  t.strictSame(kinds(plan(input({ target: shrunk }))), ['quiesce-node lin-1'])
})

void t.test('after a rollback, nodes that are left of the revision it takes after stay', async t => {
  t.strictSame(kinds(plan(input({ fence: 3, target: target({ revision: 3, fence: 3, alike: [1] }) }))), ['declare-healthy'])
})

void t.test('a node that drains is resumed when it is wanted again', async t => {
  const nodes = [node('lin-1', { phase: 'draining' }), node('lin-2')]
  t.strictSame(kinds(plan(input({ nodes, ci: [agent('lin-1', { quiesced: true }), agent('lin-2')] }))), ['resume-node lin-1'])
})

void t.test('a wait says which job holds a node, and since when', async t => {
  const nodes = [node('lin-1', { phase: 'draining', phaseSince: NOW - 240_000, idleSince: null }), node('lin-2', { revision: 2, fence: 2 }), node('lin-3', { revision: 2, fence: 2 })]
  const from = replacing({ nodes, vms: nodes.map(({ name, revision, fence }) => machine(name, { ownership: { ...machine(name).ownership, revision, fence } })), ci: [agent('lin-1', { quiesced: true, jobs: ['fw-perf#4411'] }), agent('lin-2'), agent('lin-3')] })
  t.match(plan(from).waits, [{ node: 'lin-1', on: 'runs job fw-perf#4411 (4 min)' }])
  t.match(plan({ ...from, now: NOW + 3_600_000 }).waits[0]?.on, /longer than drainTimeout 30 min: the rollout waits, nothing is killed/)
})

void t.test('a machine with a higher fence than the pool’s is left to a person', async t => {
  const made = plan(input({ vms: [machine('lin-1'), machine('lin-2'), machine('lin-7', { ownership: { ...machine('x').ownership, fence: 5 } })] }))
  t.strictSame(made.steps, [])
  t.match(made.waits, [{ on: /was a backup restored/ }])
})

void t.test('where no hypervisor has memory for a node, nothing is built and the wait says so', async t => {
  const made = plan(replacing({ hypervisors: [{ name: 'rack-a', reachable: true, freeMemoryMiB: 2047 }] }))
  t.strictSame(made.steps, [])
  t.match(made.waits, [{ node: null, on: 'a hypervisor of rack-a with 2GiB of memory free' }])
})

void t.test('new nodes go where most memory is left', async t => {
  const spec = { ...target().spec, size: 3, hypervisors: ['rack-a', 'rack-b'] }
  const hypervisors = [{ name: 'rack-a', reachable: true, freeMemoryMiB: 5000 }, { name: 'rack-b', reachable: true, freeMemoryMiB: 8000 }, { name: 'rack-c', reachable: true, freeMemoryMiB: 99_000 }]
  const made = plan(input({ nodes: [], vms: [], ci: [], target: target({ spec }), lastHealthy: null, hypervisors }))
  t.strictSame(made.steps.map(step => 'hypervisor' in step && step.hypervisor), ['rack-b', 'rack-b', 'rack-a'])
})

void t.test('in a healthy pool each failure in a row doubles the pause before the next try', async t => {
  const from = input({ nodes: [node('lin-1', { phaseSince: NOW - 3_600_000 })], vms: [machine('lin-1')], failures: [{ at: NOW - 20_000, failure: 'no first heartbeat' }] })
  t.strictSame(kinds(plan(from)), ['create-node'])
  const twice = plan({ ...from, failures: [...from.failures, { at: NOW - 1000, failure: 'no first heartbeat' }] })
  t.strictSame(twice.steps, [])
  t.match(twice.waits, [{ on: 'the next try to replace a failed node (in 29 s)' }])
})

void t.test('a share of the size is rounded up, and durations are read as they are written', async t => {
  t.strictSame([countOf('10%', 2), countOf('10%', 90), countOf('0%', 90), countOf(3, 90), countOf('100%', 7)], [1, 9, 0, 3, 7])
  t.strictSame(['500ms', '90s', '30m', '5h', '7d'].map(millisecondsOf), [500, 90_000, 1_800_000, 18_000_000, 604_800_000])
  t.strictSame([1000, 119_000, 240_000, 7_200_000, 200_000_000].map(inWords), ['1 s', '119 s', '4 min', '2 h', '2 d'])
})

void t.test('a rollout that this version cannot do is refused with what to do', async t => {
  const rollout = (change: object) => () => rolloutPolicy({ ...target().spec, rollout: change })
  t.throws(rollout({ strategy: 'switch' }), { code: 'DD-POOL-106' })
  t.throws(rollout({ maxSurge: 0, maxUnavailable: '0%' }), { code: 'DD-POOL-106' })
})
