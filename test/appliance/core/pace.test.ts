import t from 'tap'
import { startPace } from '../../../appliance/core/pace.ts'

/** A clock that is set by hand, in seconds. */
function handClock() {
  let seconds = 0
  return { now: () => seconds * 1000, at: (time: number) => void (seconds = time) }
}

await t.test('nothing is forecast from a first moment; then the last seconds say how long the rest takes', async t => {
  const clock = handClock()
  const pace = startPace(clock.now)
  t.same([pace.perSecond(), pace.secondsFor(100)], [undefined, null])
  pace.saw(0)
  clock.at(1)
  pace.saw(100)
  t.equal(pace.secondsFor(100), null, 'too little was seen')
  clock.at(4)
  pace.saw(400)
  t.same([pace.perSecond(), pace.secondsFor(250)], [100, 3])
  t.equal(pace.secondsFor(0), 0)
})

await t.test('what was fast an hour ago does not count any more, and silence counts', async t => {
  const clock = handClock()
  const pace = startPace(clock.now)
  for (let second = 0; second <= 100; second++) {
    clock.at(second)
    pace.saw(second * 1000)
  }
  for (let second = 101; second <= 160; second++) {
    clock.at(second)
    pace.saw(100_000 + (second - 100) * 10)
  }
  t.equal(Math.round(pace.perSecond() ?? 0), 10)
  clock.at(200)
  t.ok((pace.perSecond() ?? 0) < 5, 'nothing came for 40 s')
  t.equal(pace.secondsFor(1e12), null, 'a week is no forecast')
})

await t.test('telling every entry costs no memory', async t => {
  const clock = handClock()
  const pace = startPace(clock.now)
  for (let step = 0; step <= 100_000; step++) {
    clock.at(step / 1000)
    pace.saw(step)
  }
  t.ok(Math.abs((pace.perSecond() ?? 0) - 1000) < 50, `${pace.perSecond()}`)
})
