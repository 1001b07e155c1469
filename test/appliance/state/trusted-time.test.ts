import t from 'tap'
import { FLOOR_RISE, trustedTime } from '../../../appliance/state/trusted-time.ts'

const build = new Date('2026-01-01T00:00:00Z')
const at = (days: number): Date => new Date(build.getTime() + days * 24 * 3600_000)
const ninety = FLOOR_RISE / (24 * 3600_000)

await t.test('the floor is what was surely seen, and the audit log lifts it by no more than 90 days', async t => {
  const clock = (wall: number, bundle: number | undefined, audit: number | undefined) => trustedTime({ wall: { now: () => at(wall) }, build, newestBundle: () => (bundle === undefined ? undefined : at(bundle)), lastAudit: audit === undefined ? undefined : at(audit) })
  t.same(clock(5, undefined, undefined).floor(), build)
  t.same(clock(5, 3, 4).floor(), at(4))
  t.same(clock(5, 3, 40_000).floor(), at(3 + ninety))
  t.same(clock(1, 3, undefined).wrongClock(), { wall: at(1), floor: at(3) })
  t.same(clock(1, 3, undefined).now(), at(3))
})

await t.test('what is accepted under a clock that runs ahead lifts the floor by no more than 90 days', async t => {
  let wall = at(40_000)
  let newest: Date | undefined
  const clock = trustedTime({ wall: { now: () => wall }, build, newestBundle: () => newest, lastAudit: undefined })
  newest = clock.riseTo()
  t.same(newest, at(ninety))
  newest = clock.riseTo()
  t.same(newest, at(2 * ninety))
  wall = at(200)
  t.same(clock.riseTo(), at(200), 'a right clock lifts it to now')
  newest = at(300)
  t.same(clock.riseTo(), at(300), 'and never lowers it')
})

await t.test('an audit record that is forgotten holds time up no longer', async t => {
  let audit: Date | undefined = at(80)
  const clock = trustedTime({ wall: { now: () => at(5) }, build, newestBundle: () => undefined, lastAudit: () => audit })
  t.ok(clock.wrongClock())
  audit = undefined
  t.equal(clock.wrongClock(), null)
})
