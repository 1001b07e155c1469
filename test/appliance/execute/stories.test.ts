import t from 'tap'
import { createWorld, OURS } from './world.ts'
import { story } from './story.ts'

const POOL = 'linux-ci'
const machineNames = (world: ReturnType<typeof createWorld>) => world.machines().map(({ vm }) => vm.name).toSorted()
const healthy = (world: ReturnType<typeof createWorld>, revision: number) => () => world.pools.get(POOL)?.lastHealthy === revision

/** A healthy pool of two, told from its first pass. */
async function begun() {
  const world = createWorld()
  const tale = story(world, POOL)
  tale.say('a new pool of two')
  world.apply(POOL, world.bake('one'))
  await tale.until(healthy(world, 1))
  return { world, tale }
}

void t.test('a new pool: made, booted, measured, enrolled, healthy', async t => {
  const { world, tale } = await begun()
  const { told, committed } = tale.end('new-pool')
  t.equal(told, committed)
  t.strictSame(machineNames(world), ['lin-1', 'lin-2'])
})

void t.test('a rollout with surge 1: canary, soak, one after the other', async t => {
  const { world, tale } = await begun()
  tale.say('revision 2 with another image')
  world.apply(POOL, world.bake('two'))
  await tale.until(healthy(world, 2))
  const { told, committed } = tale.end('rollout')
  t.equal(told, committed)
  t.strictSame(machineNames(world), ['lin-3', 'lin-4'])
  t.strictSame(world.sins, { killedWhileBusy: [], foreignTouched: [] })
})

void t.test('a busy node drains late: past drainTimeout the rollout waits, and nothing is killed', async t => {
  const { world, tale } = await begun()
  tale.say('both old nodes get long jobs, then revision 2 comes')
  world.runJob('lin-1', 'fw-perf#4411', 20 * 60_000)
  world.runJob('lin-2', 'fw-perf#4412', 60_000)
  world.apply(POOL, world.bake('two'))
  await tale.until(healthy(world, 2))
  const { told, committed } = tale.end('busy-node')
  t.equal(told, committed)
  t.strictSame(world.sins.killedWhileBusy, [])
})

void t.test('a CI server that says idle falsely does not get a busy node killed', async t => {
  const { world, tale } = await begun()
  tale.say('the CI server says that nobody works, but lin-1 does, for 5 minutes')
  world.faults.falseIdle = true
  world.runJob('lin-1', 'fw-perf#7', 5 * 60_000)
  world.apply(POOL, world.bake('two'))
  await tale.until(healthy(world, 2))
  const { told, committed } = tale.end('false-idle')
  t.equal(told, committed)
  t.strictSame(world.sins.killedWhileBusy, [])
})

void t.test('a canary that measures wrong is the end of its revision: the last healthy one comes back, and no old node was touched', async t => {
  const { world, tale } = await begun()
  tale.say('revision 2 boots, but its numpy is not what it should be')
  world.apply(POOL, world.bake('bad', 'failing-verify'))
  await tale.until(healthy(world, 3))
  const { told, committed } = tale.end('boot-failure')
  t.equal(told, committed)
  t.strictSame(machineNames(world), ['lin-1', 'lin-2'])
})

void t.test('without a revision to go back to, a failed rollout waits for a person', async t => {
  const world = createWorld()
  const tale = story(world, POOL)
  tale.say('the first revision never boots')
  world.apply(POOL, world.bake('silent', 'silent'))
  await tale.until(() => world.pools.get(POOL)?.paused !== null)
  await tale.for(20)
  const { told, committed } = tale.end('never-boots')
  t.equal(told, committed)
})

void t.test('a foreign machine beside ours is never touched; an orphan of ours ends', async t => {
  const { world, tale } = await begun()
  tale.say('a machine of another appliance, one of another pool of ours, and one of ours that has no record')
  const image = world.bake('one')
  world.plant('rack-a', 'win-1', { applianceId: 'appliance-b', pool: POOL, revision: 1, fence: 1 }, image)
  world.plant('rack-a', 'mac-1', { applianceId: OURS, pool: 'mac-ci', revision: 1, fence: 1 }, image)
  world.plant('rack-a', 'lin-77', { applianceId: OURS, pool: POOL, revision: 1, fence: 1 }, image)
  await tale.until(() => world.machine('lin-77') === undefined)
  await tale.for(10)
  const { told, committed } = tale.end('orphan')
  t.equal(told, committed)
  t.strictSame(machineNames(world), ['lin-1', 'lin-2', 'mac-1', 'win-1'])
})

void t.test('while the CI server is down nobody is idle and nothing is destroyed', async t => {
  const { world, tale } = await begun()
  tale.say('revision 2, and the CI server goes down when the first old node drains')
  world.apply(POOL, world.bake('two'))
  await tale.until(() => world.registry.get('lin-1')?.phase === 'draining')
  world.faults.ci = true
  await tale.for(15 * 60)
  t.ok(world.machine('lin-1'), 'the draining node is still there')
  tale.say('it answers again')
  world.faults.ci = false
  await tale.until(healthy(world, 2))
  const { told, committed } = tale.end('ci-down')
  t.equal(told, committed)
})

void t.test('a machine that vanishes is replaced; one whose hypervisor does not answer is not', async t => {
  const { world, tale } = await begun()
  tale.say('the hypervisor does not answer for 10 minutes')
  world.racks.get('rack-a')!.reachable = false
  await tale.for(600)
  world.racks.get('rack-a')!.reachable = true
  await tale.for(10)
  tale.say('lin-1 vanishes')
  world.racks.get('rack-a')!.machines.delete('lin-1')
  await tale.until(() => world.registry.get('lin-3')?.phase === 'healthy' && world.registry.get('lin-1')?.phase === 'gone')
  const { told, committed } = tale.end('vanished')
  t.equal(told, committed)
  t.strictSame(machineNames(world), ['lin-2', 'lin-3'])
})

void t.test('killed between every intent and effect: first run, second run, callback fails, third run', async t => {
  const world = createWorld()
  const tale = story(world, POOL)
  const seen = new Set<string>()
  world.deps.journal = {
    // Each kind is cut off twice: before its effect happened, and after it but before anybody was told.
    async step(name, effect) {
      const kind = name.split(' ', 1)[0]!
      if (!seen.has(`before ${kind}`)) {
        seen.add(`before ${kind}`)
        throw new Error(`killed before ${kind}`)
      }
      const result = await effect()
      if (!seen.has(`after ${kind}`)) {
        seen.add(`after ${kind}`)
        throw new Error(`killed after ${kind}`)
      }
      return result
    },
  }
  world.apply(POOL, world.bake('one'), { size: 1 })
  tale.say('a pool of one; every kind of step is killed before and after its effect')
  await tale.until(healthy(world, 1))
  tale.restart()
  tale.say('restarted; revision 2')
  world.apply(POOL, world.bake('two'))
  await tale.until(healthy(world, 2))
  const { told, committed } = tale.end('killed')
  t.equal(told, committed)
  t.equal(world.machines().length, 1)
  t.strictSame([...world.agents.keys()], world.registry.list(POOL).map(node => node.name))
})

void t.test('deleting a pool drains everything, then says that it is empty', async t => {
  const { world, tale } = await begun()
  world.runJob('lin-2', 'fw-perf#9', 60_000)
  world.pools.get(POOL)!.deleting = true
  tale.say('the pool is deleted while lin-2 works')
  await tale.until(() => world.registry.list(POOL).length === 0)
    .catch(() => undefined)
  const { told, committed } = tale.end('delete')
  t.equal(told, committed)
  t.equal(world.pools.size, 0)
  t.equal(world.machines().length, 0)
  t.strictSame(world.sins.killedWhileBusy, [])
})

void t.test('a paused pool is watched and nothing else', async t => {
  const { world, tale } = await begun()
  tale.say('paused; revision 2 comes, and lin-1 vanishes')
  world.pools.get(POOL)!.paused = { by: 'ana', reason: 'exam', at: '' }
  world.apply(POOL, world.bake('two'))
  world.racks.get('rack-a')!.machines.delete('lin-1')
  await tale.for(300)
  t.strictSame(machineNames(world), ['lin-2'])
  tale.say('resumed')
  world.pools.get(POOL)!.paused = null
  await tale.until(healthy(world, 2))
  const { told, committed } = tale.end('paused')
  t.equal(told, committed)
})
