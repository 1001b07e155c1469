import t from 'tap'
import { digestFromHex } from '../../../appliance/core/digest.ts'
import type { Planned } from '../../../importer/unpack/plan.ts'
import { inTwo } from '../../../importer/unpack/stretches.ts'

const MIB = 1024 * 1024
const blob = (k: number): ReturnType<typeof digestFromHex> => digestFromHex(k.toString(16).padStart(64, '0'))
const file = (k: number, size: number): Planned => ({ name: `blobs/${k}`, size, keep: true, targets: [] })
const piece = (k: number, of: number, size: number): Planned => ({ name: `pieces/${k}`, size, keep: false, targets: [{ blob: blob(of), offset: 0, count: 1 }] })

await t.test('what is small is read by one process', async t => {
  const plan = Array.from({ length: 10 }, (_none, k) => file(k, MIB))
  t.same(inTwo(plan), [{ offset: 0, plan, last: true }])
  const tiny = Array.from({ length: 100_000 }, (_none, k) => file(k, 4096))
  t.equal(inTwo(tiny).length, 1, 'and so are very many small files')
  t.same(inTwo([]), [{ offset: 0, plan: [], last: true }], 'nothing, too: the end of the archive is looked at')
})

await t.test('what is large is cut in the middle of its bytes, where the archive says that an entry begins', async t => {
  const plan = Array.from({ length: 100 }, (_none, k) => file(k, MIB + k))
  const [first, second, ...more] = inTwo(plan)
  t.same(more, [])
  t.same([...first!.plan, ...second!.plan], plan, 'each entry once, in order')
  t.equal(first!.plan.length, 50)
  t.match([first!.offset, first!.last, second!.last], [0, false, true])
  t.equal(second!.offset, first!.plan.reduce((sum, { size }) => sum + 512 + Math.ceil(size / 512) * 512, 0))
})

await t.test('a blob that comes in parts is not cut: its digest is found out by the one who has all of it', async t => {
  const parts = (of: number, from: number): Planned[] => Array.from({ length: 4 }, (_none, k) => piece(from + k, of, 20 * MIB))
  const [first, second] = inTwo([...parts(1, 0), ...parts(2, 10), file(99, 10 * MIB)])
  t.equal(first!.plan.length, 4, 'between the two')
  t.equal(second!.plan.length, 5)
  t.equal(inTwo([file(99, 10 * MIB), ...parts(1, 0)]).length, 1, 'one blob of nearly everything stays with one')
  const twice = { ...piece(3, 1, 20 * MIB), targets: [{ blob: blob(1), offset: 0, count: 1 }, { blob: blob(2), offset: 0, count: 1 }] }
  t.equal(inTwo([piece(0, 1, 60 * MIB), twice, piece(9, 2, 60 * MIB)]).length, 1, 'two that share a part hold together')
})
