import t from 'tap'
import { join } from 'node:path'
import { check } from '../../../appliance/plan/check.ts'
import { plan } from '../../../appliance/plan/plan.ts'
import { createStepJournal } from '../../../appliance/operations/step-journal.ts'
import { openHistory } from '../../../appliance/state/history.ts'
import { nodeRegistry } from '../../../appliance/state/node-registry.ts'
import { openStepRecords } from '../../../appliance/state/step-records.ts'
import { agent, input, machine, node, target } from '../plan/inputs.ts'
import { passes } from './pass.ts'
import { createWorld } from './world.ts'

t.setTimeout(120_000)

/** Measured and shown, not asserted: machines differ. The budgets are in DESIGN.md. */
void t.test('a rollout of 90 nodes over real records and journal, guests and servers played in memory', async t => {
  // The disk's time is not what is looked at here.
  const database = openHistory(join(t.testdir(), 'history.sqlite'))
  database.exec('PRAGMA synchronous = OFF')
  t.teardown(() => database.close())
  const world = createWorld({ registry: nodeRegistry(database) })
  world.deps.journal = createStepJournal({ records: openStepRecords(database), clock: world.clock })
  const rollout = { maxSurge: '10%', maxUnavailable: 0, canary: 1, soak: '30s', bootTimeout: '2m', drainTimeout: '10m' }
  world.apply('linux-ci', world.bake('one'), { size: 90, rollout })
  const pass = passes(world)
  let spent = 0
  let looks = 0
  async function until(revision: number): Promise<void> {
    for (let turn = 0; world.pools.get('linux-ci')?.lastHealthy !== revision && turn < 5000; turn += 1) {
      const before = process.cpuUsage()
      const { made } = await pass('linux-ci')
      const { user, system } = process.cpuUsage(before)
      spent += (user + system) / 1e6
      looks += 1
      if (made.steps.length === 0) world.tick(2000)
    }
  }
  await until(1)
  ;[spent, looks] = [0, 0]
  world.apply('linux-ci', world.bake('two'), { rollout })
  await until(2)
  t.equal(world.pools.get('linux-ci')?.lastHealthy, 2)
  t.strictSame(world.sins, { killedWhileBusy: [], foreignTouched: [] })
  t.comment(`control plane of a 90-node rollout: ${spent.toFixed(2)} s CPU in ${looks} looks (budget 2 s)`)
})

void t.test('10,000 nodes in 100 pools with nothing to do: every plan is empty', async t => {
  const names = Array.from({ length: 100 }, (_, index) => `lin-${index + 1}`)
  const at = input({ nodes: names.map(name => node(name)), vms: names.map(name => machine(name)), ci: names.map(name => agent(name)), target: target({ spec: { ...target().spec, size: 100 } }) })
  const before = process.cpuUsage()
  for (let pool = 0; pool < 100; pool += 1) {
    const made = plan(at)
    check(made, at)
    if (made.steps.length + made.waits.length > 0) t.fail(`pool ${pool} is not at rest`)
  }
  const { user, system } = process.cpuUsage(before)
  t.comment(`plan and check of 100 pools of 100 nodes: ${((user + system) / 1000).toFixed(0)} ms CPU (budget of a whole look: 200 ms)`)
})
