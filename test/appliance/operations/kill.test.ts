import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import t from 'tap'
import { ADMIN_TOKEN, SimCiProcess } from '../ci/sim/sim-ci-process.ts'
import { bringBundle, copySite, initSite, planSite, type Site } from '../main/site.ts'
import type { Task } from './kill-task.ts'

/** Change it to try other instants; a failing one is kept in the list below. */
const SEEDS = [20261121]
/** Kills beyond one before and one after the effect of each kind of record, at instants the seed chooses. */
const MORE_KILLS = 4

/** Each kind of record that an import and a rollout with its change and its rollback must write. */
const KINDS = [
  ...['found', 'proceed', 'verify', 'stage', 'scan', 'approvals', 'approval', 'promote', 'mark', 'receipt', 'clean'].map(step => `import/${step}`),
  ...['begin', 'lock', 'image', 'target', 'rollout'].map(step => `pool.apply/${step}`),
  ...['revision', 'image', 'target', 'rollout'].map(step => `pool.rollback/${step}`),
  ...['create-node', 'boot-node', 'enrol-ci', 'quiesce-node', 'set-phase', 'remove-node', 'destroy-vm', 'declare-healthy'].map(step => `reconcile/${step}`),
]
/** What people answer is recorded as an intent (the wait) and a result (the answer); there is no effect between them. */
const WAITS = ['import/proceed', 'import/approval', 'pool.apply/rollout', 'pool.rollback/rollout']

const CHILD = join(import.meta.dirname, 'kill-child.ts')
/** A child that is neither done nor killed by then hangs. Milliseconds. */
const CHILD_MS = 120_000

/** The runner's limit for a file is five minutes. */
t.setTimeout(290_000)

const folder = mkdtempSync(join(tmpdir(), 'drydock-kill-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

type End = { seen: string[]; killedAt: string | null; facts: unknown }

/** One life of the appliance: until it is done, or until the instant that this kills it in. */
async function live(task: Task): Promise<End> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', CHILD, JSON.stringify(task)], {
    stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
    env: { ...process.env, NODE_COMPILE_CACHE: join(folder, 'compiled') },
  })
  const exited = new Promise<number | null>(done => child.once('exit', done))
  const timer = setTimeout(() => child.kill('SIGABRT'), CHILD_MS)
  const end: End = { seen: [], killedAt: null, facts: null }
  for await (const line of createInterface({ input: child.stdio[3] as Readable })) {
    const [word, rest] = [line.slice(0, 4), line.slice(5)]
    if (word === 'seen') end.seen.push(rest)
    else if (word === 'done') end.facts = JSON.parse(rest)
    else {
      end.killedAt = rest
      child.kill('SIGKILL')
    }
  }
  const code = await exited
  clearTimeout(timer)
  if (end.killedAt === null && code !== 0) throw new Error(`expected the appliance to finish, found exit ${code}, signal ${child.signalCode}`)
  return end
}

async function withCi<T>(name: string, work: (ci: SimCiProcess) => Promise<T>): Promise<T> {
  const ci = new SimCiProcess(join(folder, `ci-${name}`))
  await ci.start()
  try {
    return await work(ci)
  } finally {
    await ci.kill('SIGTERM')
  }
}

/** mulberry32: a small generator, so that the seed alone decides. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const original = await planSite(join(folder, 'site'))
await initSite(original)
const bundle = await bringBundle(original)
const taskOf = (site: Site, ci: SimCiProcess, targets: string[]): Task => ({ config: site.config, bundle: bundle.replace(original.folder, site.folder), ciUrl: ci.url, ciToken: ADMIN_TOKEN, targets })

const reference = await withCi('reference', async ci => await live(taskOf(await copySite(original, join(folder, 'reference')), ci, [])))

await t.test('an import and three rollouts that nobody kills write every kind of record', async t => {
  t.same(KINDS.filter(kind => !reference.seen.some(instant => instant.endsWith(` of ${kind}`))), [])
  t.match(reference.facts, { imports: [{ state: 'imported', sequence: 1, approvals: ['paul'] }], machines: 2, staging: [] })
})

for (const seed of SEEDS) {
  await t.test(`killed before and after the effect of every kind of record, and elsewhere (seed ${seed}), it ends as if it had not been`, { timeout: 280_000 }, async t => {
    const next = random(seed)
    const instants = [...new Set(reference.seen)]
    const around = instants.filter(instant => / effect of /.test(instant) || WAITS.some(wait => instant.endsWith(wait)))
    const others = instants.filter(instant => !around.includes(instant)).map(instant => ({ instant, lot: next() })).toSorted((a, b) => a.lot - b.lot)
    const wanted = [...around, ...others.slice(0, MORE_KILLS).map(({ instant }) => instant)]
    const left = new Set(wanted)
    // Two appliances side by side, each killed at every other instant.
    const ends = await Promise.all([0, 1].map(async half => {
      const mine = new Set(wanted.filter((_instant, index) => index % 2 === half))
      const site = await copySite(original, join(folder, `seed-${seed}-${half}`))
      return await withCi(`seed-${seed}-${half}`, async ci => {
        for (;;) {
          const { killedAt, facts } = await live(taskOf(site, ci, [...mine]))
          if (killedAt === null) return facts
          mine.delete(killedAt)
          left.delete(killedAt)
          t.comment(`killed ${killedAt}`)
        }
      })
    }))
    t.same([...left], [], 'every instant was hit')
    const kills = wanted.length - left.size
    t.ok(kills >= 50, `${kills} kills`)
    t.same(KINDS.filter(kind => !wanted.some(instant => instant.endsWith(` of ${kind}`) && !left.has(instant))), [], 'of every kind of record')
    for (const facts of ends) t.same(facts, reference.facts, 'inventory, locks, images, desired state and all that was told are those of the run that was not killed')
  })
}
