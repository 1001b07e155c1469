import { readFileSync } from 'node:fs'
import t from 'tap'
import { runHistory } from './history.ts'

/** `DRYDOCK_SEEDS=2000 node test/appliance/plan/history.test.ts` looks further; what fails is added to failing-seeds.json for good. */
const SEEDS = Number(process.env['DRYDOCK_SEEDS'] ?? 60)

const known = JSON.parse(readFileSync(new URL('failing-seeds.json', import.meta.url), 'utf8')) as number[]

void t.test('histories that once failed, or that once caught a planted mistake, hold', async t => {
  for (const seed of known) t.strictSame(await runHistory(seed), [], `seed ${seed}`)
})

void t.test(`in ${SEEDS} random histories every plan passes the checker, no busy node and no foreign machine is destroyed, and a healed pool converges`, async t => {
  const failed: string[] = []
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const wrong = await runHistory(seed).catch((failure: unknown) => [String(failure)])
    failed.push(...wrong.map(words => `seed ${seed}: ${words}`))
  }
  t.strictSame(failed, [])
})
