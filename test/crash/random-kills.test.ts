import t from 'tap'
import { engineWorld } from './engine-world.ts'
import { randomKills, report } from './random-kills.ts'

/** The machine may be busy with other tests. */
t.setTimeout(280_000)

const SEED = 20_261_121

await t.test('an import that is killed at random instants is always the old or the new, and the next start finishes it', async t => {
  const began = performance.now()
  const world = await engineWorld()
  t.teardown(() => world.close())
  const tally = await randomKills(world, { kills: 30, seed: SEED })
  t.comment(report(world.name, tally, SEED, (performance.now() - began) / 1000))
  t.same(tally.faults, [])
  t.equal(tally.kills, 30)
})
