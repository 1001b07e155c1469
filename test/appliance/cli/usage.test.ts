import t, { type Test } from 'tap'
import { chmodSync, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ERRORS } from '../../../appliance/core/errors/table.ts'
import { NOUNS } from '../../../appliance/main/verbs.ts'
import { LAUNCHER, runDrydock } from './run-drydock.ts'

// Every step starts processes, and the machine may be busy.
t.setTimeout(280_000)
const step = (name: string, work: (t: Test) => Promise<void>) => t.test(name, { timeout: 120_000 }, work)

await step('without words it shows every noun and the exit codes', async t => {
  const { code, out } = await runDrydock([])
  t.equal(code, 0)
  for (const noun of Object.keys(NOUNS)) t.match(out, new RegExp(`^  ${noun} `, 'm'), noun)
  t.match(out, /3 refused by policy/)
})

await step('every noun that is here explains itself', async t => {
  for (const noun of Object.keys(NOUNS)) {
    const { code, out, err } = await runDrydock([noun, '--help'])
    t.match({ code, err }, { code: 0, err: '' }, noun)
    t.match(out, `Usage: drydock ${noun}`, noun)
  }
})

await step('wrong usage names the nearest word, exits 2 and shows no stack', async t => {
  const cases: [string[], RegExp][] = [
    [['pol', 'apply', 'x'], /found "pol"\ndo: did you mean `drydock pool apply x`\?.*DD-CLI-001/],
    [['pool', 'aply', 'x'], /expected a verb of drydock pool \(create, .*\), found "aply"\ndo: did you mean `drydock pool apply`\?/],
    [['pool'], /expected a verb of drydock pool .*, found none/],
    [['pool', 'update', 'x', '--rols=a'], /expected only options that drydock pool update knows, found "--rols"\ndo: did you mean --roles\?/],
    [['pool', 'apply'], /expected <name> behind drydock pool apply, found nothing/],
    [['pool', 'apply', 'x', 'y'], /found more words than that/],
    [['pool', 'rollback', 'x', '--to', 'first'], /expected the number of a revision behind --to, found "first"/],
    [['import', 'reject', '7'], /expected drydock import reject with --reason <text>, found it without/],
    [['explain', 'DD-NOPE-1'], /DD-CLI-003/],
    [['explain', 'DD-CORE-02'], /did you mean DD-CORE-002\?/],
  ]
  for (const [words, expected] of cases) {
    const { code, out, err } = await runDrydock(words)
    t.equal(code, 2, words.join(' '))
    t.match(err, expected, words.join(' '))
    t.equal(err.trim().split('\n').length, 2, 'two lines')
    t.notMatch(out + err, /\n\s+at /, 'no stack')
  }
})

await step('with --json a failure is one object on standard error', async t => {
  const { code, out, err } = await runDrydock(['pool', 'aply', '--json'])
  t.equal(code, 2)
  t.equal(out, '')
  t.match(JSON.parse(err), { type: 'error', code: 'DD-CLI-001', exit: 2, retryable: false })
})

await step('explain tells the story of every code', async t => {
  const one = await runDrydock(['explain', 'dd-core-002'])
  t.match(one.out, /DD-CORE-002\n.*disk is full.*\nexit code 1 · HTTP 507/s)
  const all = await runDrydock(['explain', '--json'])
  t.same(all.records().map(record => record['code']), Object.keys(ERRORS))
})

await step('the launcher works through links and from anywhere, and says so when there is no Node that is new enough', async t => {
  const folder = t.testdir()
  symlinkSync(LAUNCHER, join(folder, 'first'))
  symlinkSync('first', join(folder, 'second'))
  t.match((await runDrydock(['--version'], { launcher: join(folder, 'second') })).out, /^\d+\.\d+\.\d+\n$/)
  mkdirSync(join(folder, 'elsewhere/appliance/main'), { recursive: true })
  mkdirSync(join(folder, 'bin'))
  writeFileSync(join(folder, 'bin/node'), '#!/bin/sh\necho v20.1.0\n')
  chmodSync(join(folder, 'bin/node'), 0o755)
  const alone = join(folder, 'elsewhere/appliance/main/drydock')
  copyFileSync(LAUNCHER, alone)
  const { code, err } = await runDrydock(['--version'], { launcher: alone, env: { PATH: `${folder}/bin:/usr/bin:/bin` } })
  t.equal(code, 1)
  t.match(err, /^failed: expected Node 26 or newer, found v20\.1\.0\ndo: run `npm ci`/)
})

await step('verbs that need an appliance say how to sign in', async t => {
  const { code, err } = await runDrydock(['pool', 'list'], { env: { DRYDOCK_CREDENTIALS: join(t.testdir(), 'none.json') } })
  t.equal(code, 2)
  t.match(err, /found none\ndo: sign in first: drydock login .*DD-CLI-007/)
})
