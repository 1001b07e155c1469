import t from 'tap'
import { join } from 'node:path'
import { runProgram } from '../../appliance/core/run-program.ts'
import { readIndexParts, readVolume } from '../../bundles/archive/index.ts'
import { heapOf } from '../../bundles/format/heap.ts'
import { INDEX_BYTES, INDEX_PART_BYTES } from '../../bundles/format/limits.ts'

t.setTimeout(120_000)

await t.test('a signed index of a few kilobytes that unfolds to more objects than memory is refused, and the process lives', async t => {
  const args = ['--max-old-space-size=192', '--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'index-bomb-process.ts'), '40']
  const { stdout } = await runProgram(process.execPath, { args, timeout: 100_000, package: 'nodejs' })
  const said = JSON.parse(stdout.toString('utf8')) as { code: string; message: string; bytes: number }
  t.equal(said.code, 'DD-BUNDLE-010')
  t.match(said.message, /expected the index of demo to need at most \d+ bytes of memory here, found that it needs more/)
  t.ok(said.bytes < 64 * 1024, `${said.bytes} bytes in the bundle`)
})

await t.test('an index that is larger than any memory is refused before its parts are read', async t => {
  const never = readVolume({ read: () => Promise.reject(new TypeError('nothing is read')) })
  const parts = Array.from({ length: INDEX_BYTES / INDEX_PART_BYTES + 1 }, (_, k) => ({ name: `index/${k}`, size: INDEX_PART_BYTES }))
  await t.rejects(readIndexParts(never, parts), { code: 'DD-BUNDLE-010', message: /in all its parts/ })
})

await t.test('what a line takes on the heap is more the more it nests', async t => {
  const of = (text: string): number => heapOf(Buffer.from(text))
  t.ok(of('[{},{},{}]') > 20 * '[{},{},{}]'.length)
  t.ok(of(`"${'a'.repeat(1000)}"`) < 1100, 'text takes what it is long')
})
