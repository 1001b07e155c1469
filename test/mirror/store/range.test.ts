import t from 'tap'
import { listsTag, parseRange } from '../../../mirror/store/range.ts'

await t.test('a Range header of RFC 9110', async t => {
  const cases: [string | undefined, unknown][] = [
    [undefined, undefined], ['bytes=0-', { start: 0, end: 9 }], ['bytes=2-4', { start: 2, end: 4 }], ['bytes=2-99', { start: 2, end: 9 }], ['bytes=-3', { start: 7, end: 9 }], ['bytes=-99', { start: 0, end: 9 }],
    ['bytes=9-9', { start: 9, end: 9 }], ['bytes=10-', 'unsatisfiable'], ['bytes=-0', 'unsatisfiable'], ['bytes=4-2', undefined], ['bytes=0-1,3-4', undefined], ['items=0-1', undefined], ['bytes=-', undefined], ['bytes=a-b', undefined],
  ]
  for (const [header, expected] of cases) t.same(parseRange(header, 10), expected, String(header))
  t.equal(parseRange('bytes=0-', 0), 'unsatisfiable')
})

await t.test('a list of tags', async t => {
  for (const header of ['"a"', 'W/"a"', '"b", "a"', '*']) t.ok(listsTag(header, '"a"'), header)
  for (const header of [undefined, '', '"b"', 'a']) t.notOk(listsTag(header, '"a"'), String(header))
})
