import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { digestOf, hexOf } from '../../../appliance/core/digest.ts'
import { Joining } from '../../../importer/unpack/joining.ts'

const parts = ['one ', 'two ', 'three'].map(text => Buffer.from(text))
const blob = Buffer.concat(parts)
const hex = hexOf(digestOf(blob))

/** Every part in its place; `order` is the one in which they come. */
async function joined(folder: string, order = [0, 1, 2], content = parts): Promise<string[]> {
  const joining = new Joining(folder)
  for (const k of order) {
    const offset = parts.slice(0, k).reduce((sum, { length }) => sum + length, 0)
    await joining.write([{ hex, offset, count: 1, whole: blob.length }], content[k]!, 0, content[k]!.length, false)
  }
  await joining.close()
  return readdirSync(folder).toSorted()
}

await t.test('a blob of which all comes in one pass gets its name when it is the right one', async t => {
  const folder = t.testdir()
  t.same(await joined(folder), [hex])
  t.ok(readFileSync(join(folder, hex)).equals(blob))
})

await t.test('anything else keeps the name that nobody takes for a blob, until the parent has read it', async t => {
  t.same(await joined(t.testdir(), [1, 0, 2]), [`${hex}.joining`], 'in another order')
  t.same(await joined(t.testdir(), [0, 1]), [`${hex}.joining`], 'not all of it')
  t.same(await joined(t.testdir(), [0, 1, 2], [Buffer.from('One '), ...parts.slice(1)]), [`${hex}.joining`], 'other bytes')
  const stale = t.testdir()
  writeFileSync(join(stale, `${hex}.joining`), `${'x'.repeat(blob.length)} and more of an earlier pass`)
  t.same(await joined(stale), [`${hex}.joining`], 'a longer file that lay there: its end was never hashed')
})
