import t from 'tap'
import { join } from 'node:path'
import { proxyVariables, readRelay } from '../../../../appliance/main/outside/relay/relay-file.ts'
import { nextRound } from '../../../../appliance/main/outside/relay/schedule.ts'

const at = (text: string) => new Date(`2026-11-21T${text}Z`)

await t.test('an interval counts from the start of the last round, and a missed one is made up for at once', async t => {
  const hourly = { everyMs: 3_600_000 }
  t.same(nextRound(hourly, at('10:00:00'), undefined, 0), at('10:00:00'), 'the first one is now')
  t.same(nextRound(hourly, at('10:20:00'), at('10:00:00'), 0), at('11:00:00'))
  t.same(nextRound(hourly, at('15:00:00'), at('10:00:00'), 0), at('15:00:00'))
})

await t.test('times of the day are UTC, and tomorrow\'s when today\'s are over', async t => {
  const daily = { at: ['02:30', '14:00'] }
  t.same(nextRound(daily, at('01:00:00'), undefined, 0), at('02:30:00'))
  t.same(nextRound(daily, at('02:30:00'), at('02:30:00'), 0), at('14:00:00'))
  t.same(nextRound(daily, at('23:00:00'), undefined, 0), new Date('2026-11-22T02:30:00Z'))
})

await t.test('after failures the next try is sooner, but never later than the schedule', async t => {
  const daily = { everyMs: 86_400_000 }
  const minutes = [1, 2, 3, 4, 7, 50].map(failures => (nextRound(daily, at('10:00:00'), at('09:59:00'), failures).getTime() - at('10:00:00').getTime()) / 60_000)
  t.same(minutes, [1, 2, 4, 8, 60, 60])
  t.same(nextRound({ everyMs: 10_000 }, at('10:00:00'), at('09:59:55'), 9), at('10:00:05'))
})

await t.test('a relay file that cannot work is told before anything is fetched', async t => {
  const good = 'apiVersion: drydock/v1\nkind: Relay\ncollection: c.yaml\nworkspace: ws\nsite: site-a\nwatchFolder: watch\ntrust: trust.json\n'
  const folder = t.testdir({ good: `${good}every: 6h\nsign: { keys: [a.key] }\n`, both: `${good}every: 6h\nat: ['02:30']\n`, odd: `${good}every: often\n`, broken: 'a: [', lonely: `${good}noProxy: [a]\n`, extra: `${good}interval: 6h\n` })
  t.match(await readRelay(join(folder, 'good')), { workspace: join(folder, 'ws'), schedule: { everyMs: 21_600_000 }, deliveries: [{ folder: join(folder, 'ws'), outbox: join(folder, 'ws/outbox'), sign: { key: [join(folder, 'a.key')] } }] })
  for (const name of ['both', 'broken', 'lonely', 'none']) await t.rejects(readRelay(join(folder, name)), { code: 'DD-RELAY-001' }, name)
  await t.rejects(readRelay(join(folder, 'odd')), { code: 'DD-CORE-009', message: /a number with s, m, h or d behind it/ })
  await t.rejects(readRelay(join(folder, 'extra')), { code: 'DD-CORE-009', message: /"interval"/ })
})

await t.test('one proxy is told to every tool, and nothing when there is none', async t => {
  t.same(proxyVariables({}), {})
  t.match(proxyVariables({ proxy: 'http://p:1', noProxy: ['a', 'b'] }), { http_proxy: 'http://p:1', HTTPS_PROXY: 'http://p:1', npm_config_proxy: 'http://p:1', PIP_PROXY: 'http://p:1', NO_PROXY: 'a,b', npm_config_noproxy: 'a,b' })
  t.equal(proxyVariables({ proxy: 'http://p:1' })['NO_PROXY'], '', 'what the machine excepts is not excepted')
})
