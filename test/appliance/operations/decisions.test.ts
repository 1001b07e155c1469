import t from 'tap'
import type { NewAuditRecord } from '../../../appliance/model/audit.ts'
import type { NewEvent } from '../../../appliance/model/event.ts'
import { createDecisions, DECISION_LIFE, SETTLED_DAYS } from '../../../appliance/operations/decisions.ts'

const DAY = 24 * 60 * 60 * 1000
const NOW = Date.parse('2026-11-21T00:00:00Z')
const given = (by: string | null, daysAgo: number) => ({ by, at: new Date(NOW - daysAgo * DAY).toISOString() })

function world(options: { fails?: boolean; given?: Record<string, ReturnType<typeof given>> } = {}) {
  const done: (string | null)[] = []
  const audited: NewAuditRecord[] = []
  const told: NewEvent[] = []
  const time = { elapsed: 0 }
  const act = async (to: string | null): Promise<void> => {
    if (options.fails === true) throw new TypeError('the disk is full')
    done.push(to)
  }
  const decisions = createDecisions({
    clock: { now: () => new Date(NOW) }, elapsed: () => time.elapsed, given: user => ({ ann: given(null, 0), bob: given('ann', 30), cid: given('ann', SETTLED_DAYS), ...options.given })[user],
    audit: { record: entry => (audited.push(entry), entry as never) }, events: { emit: event => (told.push(event), event as never) },
    kinds: { 'clock.reset': { says: to => `the floor goes to ${to}`, act }, 'trust.accept': { says: () => 'the trust counts', act } },
  })
  return { decisions, done, audited, told, time }
}

await t.test('one person asks, another one confirms, and only then it is done, once', async t => {
  const { decisions, done, audited, told } = world()
  const { id } = decisions.ask({ kind: 'clock.reset', to: '2026-11-21T00:00:00Z' }, 'ann')
  t.match(decisions.list(), [{ id, kind: 'clock.reset', says: 'the floor goes to 2026-11-21T00:00:00Z', askedBy: 'ann', expiresAt: '2026-11-21T01:00:00.000Z' }])
  await t.rejects(decisions.confirm(id, 'ann'), { code: 'DD-STATE-020' })
  t.same(done, [])
  await decisions.confirm(id, 'bob')
  t.same(done, ['2026-11-21T00:00:00Z'])
  await t.rejects(decisions.confirm(id, 'cid'), { code: 'DD-STATE-021' })
  t.match(audited, [{ actor: 'bob', action: 'clock.reset', fields: { askedBy: 'ann', confirmedBy: 'bob' } }])
  t.same(told.map(({ type }) => type), ['decision.asked', 'clock.reset'])
})

await t.test('it runs out after an hour, can be withdrawn, and is unknown to another appliance', async t => {
  const { decisions, done, time } = world()
  const first = decisions.ask({ kind: 'trust.accept' }, 'ann')
  time.elapsed = DECISION_LIFE
  t.same(decisions.list(), [])
  await t.rejects(decisions.confirm(first.id, 'bob'), { code: 'DD-STATE-021' })
  const second = decisions.ask({ kind: 'trust.accept' }, 'ann')
  await t.rejects(world().decisions.confirm(second.id, 'bob'), { code: 'DD-STATE-021' })
  decisions.withdraw(second.id)
  await t.rejects(decisions.confirm(second.id, 'bob'), { code: 'DD-STATE-021' })
  t.same(done, [])
})

await t.test('two confirmations at once do it once, and one that fails is told as not done', async t => {
  const { decisions, done } = world()
  const { id } = decisions.ask({ kind: 'trust.accept' }, 'ann')
  const both = await Promise.allSettled([decisions.confirm(id, 'bob'), decisions.confirm(id, 'cid')])
  t.same(both.map(({ status }) => status), ['fulfilled', 'rejected'])
  t.equal(done.length, 1)
  const failing = world({ fails: true })
  await t.rejects(failing.decisions.confirm(failing.decisions.ask({ kind: 'trust.accept' }, 'ann').id, 'bob'), { message: 'the disk is full' })
  t.same(failing.audited, [])
})

await t.test('an admin whom another one has just made, or given a new password, is no second person, and no first one', async t => {
  const fresh = { eve: given('ann', 0), bob: given('ann', SETTLED_DAYS - 0.01), later: given('ann', -400) }
  const { decisions, done, audited } = world({ given: fresh })
  const { id } = decisions.ask({ kind: 'trust.accept' }, 'ann')
  await t.rejects(decisions.confirm(id, 'eve'), { code: 'DD-STATE-023', message: /found of eve that ann gave out account or password on 2026-11-21/, hint: /eve counts from 2026-11-28 00:00 UTC on; until then ask another admin/ })
  for (const who of ['bob', 'later', 'nobody']) await t.rejects(decisions.confirm(id, who), { code: 'DD-STATE-023' }, who)
  for (const who of ['eve', 'bob']) t.throws(() => decisions.ask({ kind: 'trust.accept' }, who), { code: 'DD-STATE-023' }, `${who} asks, so that ann could confirm`)
  t.same([done, audited], [[], []])
  t.match(decisions.list(), [{ id }], 'it still waits for somebody else')
  await decisions.confirm(id, 'cid')
  t.equal(done.length, 1)
})
