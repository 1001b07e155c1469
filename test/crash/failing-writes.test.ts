import t from 'tap'
import { engineWorld } from './engine-world.ts'
import { randomKills, report } from './random-kills.ts'

/** The machine may be busy with other tests. */
t.setTimeout(280_000)

const SEED = 4

await t.test('an import whose disk fails or is full at random calls stays the old or the new, and ends well on a good disk', async t => {
  const began = performance.now()
  const world = await engineWorld()
  t.teardown(() => world.close())
  const tally = await randomKills(world, { kills: 20, seed: SEED, errors: true })
  t.comment(report(world.name, tally, SEED, (performance.now() - began) / 1000))
  t.same(tally.faults, [])
})
