import t from 'tap'
import { setTimeout as sleep } from 'node:timers/promises'
import { startReconciler } from '../../../appliance/execute/reconciler.ts'
import { createWorld, type World } from './world.ts'

const POOL = 'linux-ci'
const intervals = { moving: 10, resting: 40 }

t.setTimeout(120_000)

/** The world moves on by itself while the loop turns in real time. */
async function until(world: World, holds: () => boolean): Promise<boolean> {
  for (let tries = 0; tries < 3000 && !holds(); tries += 1) {
    world.tick(250)
    await sleep(5)
  }
  return holds()
}

void t.test('a pool that appears is found, made healthy and then left in peace; after stop nothing is looked at', async t => {
  const world = createWorld()
  const reconciler = startReconciler({ ...world.deps, intervals })
  t.teardown(() => reconciler.stop())
  await sleep(20)
  world.apply(POOL, world.bake('one'))
  t.ok(await until(world, () => world.pools.get(POOL)?.lastHealthy === 1))
  t.match(reconciler.lastPlan(POOL)?.counts, { ready: 2, new: 2 })
  t.ok(world.registry.list(POOL).every(node => node.waitsFor === null), 'nobody waits for anything any more')
  await reconciler.stop()
  const { passes } = reconciler
  reconciler.kick(POOL)
  reconciler.kick()
  await sleep(100)
  t.equal(reconciler.passes, passes)
})

void t.test('nodes say what they wait for', async t => {
  const world = createWorld()
  world.apply(POOL, world.bake('one', 'silent'))
  const reconciler = startReconciler({ ...world.deps, intervals })
  t.teardown(() => reconciler.stop())
  t.ok(await until(world, () => world.registry.list(POOL).some(node => node.waitsFor?.startsWith('first heartbeat (') === true)))
})

void t.test('a pool that cannot be planned says why, and does not hold up another', async t => {
  const world = createWorld()
  world.apply(POOL, world.bake('one'), { rollout: { strategy: 'switch' } })
  world.apply('mac-ci', world.bake('one'))
  const reconciler = startReconciler({ ...world.deps, intervals })
  t.teardown(() => reconciler.stop())
  t.ok(await until(world, () => world.pools.get('mac-ci')?.lastHealthy === 1))
  t.match(reconciler.lastPlan(POOL)?.waits, [{ node: null, on: 'expected rollout.strategy rolling, found switch' }])
})

void t.test('a step that fails is tried again with growing pauses, and the node says so', async t => {
  const world = createWorld()
  world.apply(POOL, world.bake('one'), { size: 1 })
  const rack = world.deps.hypervisors.get('rack-a')!
  const tries: number[] = []
  const { create } = rack
  rack.create = async (vm, signal) => {
    tries.push(performance.now())
    if (tries.length < 5) throw new Error('no room')
    await create(vm, signal)
  }
  const reconciler = startReconciler({ ...world.deps, intervals: { moving: 20, resting: 1000 } })
  t.teardown(() => reconciler.stop())
  while (tries.length < 4) await sleep(5)
  t.match(world.registry.list(POOL)[0]?.waitsFor, /^another try of boot-node: /)
  const pauses = tries.slice(1).map((at, index) => at - tries[index]!)
  t.ok(pauses.every((pause, index) => pause >= 20 * 2 ** index - 2), `pauses of ${pauses.map(Math.round).join(', ')} ms`)
  t.ok(await until(world, () => world.pools.get(POOL)?.lastHealthy === 1))
})

void t.test('a pool that is deleted is emptied and forgotten', async t => {
  const world = createWorld()
  world.apply(POOL, world.bake('one'))
  const reconciler = startReconciler({ ...world.deps, intervals })
  t.teardown(() => reconciler.stop())
  t.ok(await until(world, () => world.pools.get(POOL)?.lastHealthy === 1))
  world.pools.get(POOL)!.deleting = true
  reconciler.kick(POOL)
  t.ok(await until(world, () => !world.pools.has(POOL)))
  t.ok(await until(world, () => reconciler.lastPlan(POOL) === undefined))
  t.equal(world.machines().length, 0)
})
