import type { GuestKind, World } from '../execute/world.ts'
import { createWorld, OURS } from '../execute/world.ts'
import { passes } from '../execute/pass.ts'
import { seeded } from './prng.ts'

/** A random history of one pool: what people and bad luck do to it, with the loop turning all the while. Same seed, same history. */
export const POOL = 'linux-ci'
const PASSES = 150
/** Virtual time in which a healed world must come to rest. */
const CONVERGE_MS = 6 * 3_600_000

type Doing = (world: World, random: () => number) => void

const KINDS: GuestKind[] = ['good', 'good', 'good', 'wrong-layers', 'failing-verify', 'silent']

const DOINGS: Record<string, Doing> = {
  'apply another image': (world, random) => void world.apply(POOL, world.bake(`image ${Math.floor(random() * 1e9)}`, pick(KINDS, random))),
  'change the size': (world, random) => void world.apply(POOL, imageOf(world), { size: Math.floor(random() * 9) }),
  'apply an old image again': (world, random) => void world.apply(POOL, pick([...world.images.keys()], random)),
  'a rack does not answer': (world, random) => void (pick([...world.racks.values()], random).reachable = false),
  'racks answer': world => world.racks.forEach(rack => (rack.reachable = true)),
  'the CI server does not answer': world => void (world.faults.ci = true),
  'the CI server answers': world => void (world.faults.ci = false),
  'the CI server says idle falsely': world => void (world.faults.falseIdle = !world.faults.falseIdle),
  'the CI server says idle late': world => void (world.faults.lateIdleMs = world.faults.lateIdleMs === 0 ? 40_000 : 0),
  'a machine vanishes': (world, random) => {
    const rack = pick([...world.racks.values()], random)
    const name = nameOf(world, random)
    if (rack.machines.get(name)?.vm.ownership.applianceId === OURS) rack.machines.delete(name)
  },
  'a machine stops': (world, random) => {
    const machine = world.machine(nameOf(world, random))
    if (machine?.vm.ownership.applianceId === OURS) machine.vm.state = 'stopped'
  },
  'a guest hangs': (world, random) => {
    const machine = world.machine(nameOf(world, random))
    if (machine !== undefined) machine.guest.hung = true
  },
  'somebody pauses': world => void (world.pools.get(POOL)!.paused ??= { by: 'ana', reason: 'lunch', at: '' }),
  'somebody resumes': world => resume(world),
  'an agent is removed at the CI server': (world, random) => void world.agents.delete(nameOf(world, random)),
  'an orphan of ours appears': (world, random) =>
    world.plant(pick([...world.racks.keys()], random), `lin-${900 + Math.floor(random() * 90)}`, { applianceId: OURS, pool: POOL, revision: 1, fence: 0 }, imageOf(world)),
  'jobs come often': world => void (world.faults.jobsPerMinute = 6),
  'jobs stop': world => void (world.faults.jobsPerMinute = 0),
}

function pick<T>(from: readonly T[], random: () => number): T {
  return from[Math.floor(random() * from.length)]!
}

function imageOf(world: World) {
  const pool = world.pools.get(POOL)!
  return pool.revisions.find(revision => revision.revision === pool.target)!.image as ReturnType<World['bake']>
}

function nameOf(world: World, random: () => number): string {
  return pick(['none', ...world.registry.list(POOL).map(node => node.name)], random)
}

/** As the pools do: a failed revision is tried again. */
function resume(world: World): void {
  const pool = world.pools.get(POOL)!
  pool.paused = null
  const target = pool.revisions.find(each => each.revision === pool.target)!
  if (target.outcome === 'failed') {
    target.outcome = 'rolling-out'
    pool.failuresSince = world.clock.now().getTime()
  }
}

/** @returns what went wrong, in words; empty when every promise held. */
export async function runHistory(seed: number, log: (line: string) => void = () => undefined): Promise<string[]> {
  const random = seeded(seed)
  const world = createWorld({ racks: ['rack-a', 'rack-b'], random })
  const foreign = { applianceId: 'appliance-b', pool: POOL, revision: 1, fence: 1 }
  world.plant('rack-a', 'lin-1', foreign, world.bake('theirs'))
  world.plant('rack-b', 'win-7', { ...foreign, pool: 'other' }, world.bake('theirs'))
  world.apply(POOL, world.bake('first'), { size: 1 + Math.floor(random() * 7), rollout: rolloutFor(random) })
  Object.assign(world.faults, { jobsPerMinute: pick([0, 6, 20], random), jobMs: pick([20_000, 120_000], random), falseIdle: random() < 0.3, lateIdleMs: pick([0, 20_000], random) })
  crashes(world, random, true)
  let pass = passes(world)
  for (let turn = 0; turn < PASSES; turn += 1) {
    if (random() < 0.12) {
      const doing = pick(Object.keys(DOINGS), random)
      log(`-- ${doing}`)
      DOINGS[doing]!(world, random)
    }
    if (random() < 0.03) {
      log('-- restart')
      world.deps.enrolments.clear()
      pass = passes(world)
    }
    const { made } = await pass(POOL)
    log(`${world.clock.now().toISOString().slice(11, 19)} ${JSON.stringify(made.counts)} ${made.steps.map(step => `${step.kind}:${'node' in step ? step.node : ''}`).join(' ')}`)
    if (made.steps.length === 0 || random() < 0.5) world.tick(1000 + Math.floor(random() * 20_000))
  }
  return [...(await converges(world, log)), ...world.sins.killedWhileBusy.map(node => `${node} was killed while busy`), ...world.sins.foreignTouched.map(node => `${node} of another appliance was touched`)]
}

function rolloutFor(random: () => number) {
  const maxSurge = pick([0, 1, '25%', 3], random)
  const maxUnavailable = maxSurge === 0 ? 1 : pick([0, 0, 1, '50%'], random)
  return { maxSurge, maxUnavailable, canary: pick([0, 1, 2], random), soak: pick(['0s', '30s'], random), bootTimeout: '2m', drainTimeout: '10m', onFailure: pick(['rollback', 'pause'] as const, random) }
}

/** Effects that are cut off before or after they happened, as a kill would. */
function crashes(world: World, random: () => number, on: boolean): void {
  world.deps.journal = {
    async step(_name, effect) {
      if (on && random() < 0.04) throw new Error('killed before the effect')
      const result = await effect()
      if (on && random() < 0.04) throw new Error('killed after the effect')
      return result
    },
  }
}

/** All is healed, jobs end, a good image is wanted: the pool must become exactly what its target says. */
async function converges(world: World, log: (line: string) => void): Promise<string[]> {
  log('-- healed')
  crashes(world, () => 1, false)
  Object.assign(world.faults, { ci: false, falseIdle: false, lateIdleMs: 0, jobsPerMinute: 0.5, jobMs: 30_000 })
  for (const rack of world.racks.values()) rack.reachable = true
  const pool = world.pools.get(POOL)!
  if (pool.paused?.by === 'ana') pool.paused = null
  const { revision } = world.pools.get(POOL)!.revisions.at(-1)!
  world.apply(POOL, world.bake(`good after ${revision}`))
  const pass = passes(world)
  const until = world.clock.now().getTime() + CONVERGE_MS
  let last = ''
  while (world.clock.now().getTime() < until) {
    const { made, results } = await pass(POOL)
    log(`${world.clock.now().toISOString().slice(11, 19)} ${JSON.stringify(made.counts)} ${made.steps.map(step => `${step.kind}:${'node' in step ? step.node : ''}`).join(' ')}`)
    last = JSON.stringify({ counts: made.counts, waits: made.waits })
    if (made.steps.length === 0 && isAtRest(world)) return []
    if (results.every(result => result.outcome !== 'done')) world.tick(5000)
  }
  return [`did not converge: ${last}`]
}

function isAtRest(world: World): boolean {
  const pool = world.pools.get(POOL)!
  const target = pool.revisions.find(each => each.revision === pool.target)!
  const nodes = world.registry.list(POOL)
  const ours = world.machines().filter(({ vm }) => vm.ownership.applianceId === OURS)
  const foreign = world.machines().length - ours.length
  return pool.lastHealthy === pool.target && nodes.length === target.spec.size && ours.length === nodes.length && world.agents.size === nodes.length && foreign === 2 && nodes.every(node => node.phase === 'healthy' && node.image === target.image)
}
