import t from 'tap'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { openStore } from '../../../mirror/store/open.ts'
import { toyFormat } from '../support/toy-format.ts'

const CHILD = join(import.meta.dirname, '../support/promote-child.ts')
const ITEMS = 400

/** Runs a promotion in a process of its own and kills it at the point named; `none` lets it end. */
async function promoteInChild(dataDir: string, killAt: string): Promise<string | null> {
  const child = spawn(process.execPath, [CHILD, dataDir, String(ITEMS), killAt], { stdio: ['ignore', 'ignore', 'inherit'] })
  const [, signal] = (await once(child, 'exit')) as [number | null, string | null]
  return signal
}

async function stateOf(dataDir: string): Promise<{ generation: number; items: number; index: string }> {
  const { blobs, catalogue, close } = await openStore({ dataDir, formats: [toyFormat()] })
  const generation = catalogue.current().generation
  const items = [...catalogue.current().items('file')]
  let index = ''
  for (const item of items) index += `${item.name} ${(await blobs.read(catalogue.lookup(generation, 'file', item.name)!.digest)).toString()}`
  close()
  return { generation, items: items.length, index }
}

const whole = t.testdir()
await promoteInChild(whole, 'none')
const expected = await stateOf(whole)

for (const point of ['render 0', 'render 200', 'before sync', 'after rename', 'in transaction', 'after commit']) {
  await t.test(`killed ${point}, it is the old generation or the new, and the same operation ends it`, async t => {
    const dataDir = t.testdir()
    t.equal(await promoteInChild(dataDir, point), 'SIGKILL')
    const after = await stateOf(dataDir)
    if (point === 'after commit') t.same(after, expected)
    else t.same([after.generation, after.items], [0, 0])
    t.equal(await promoteInChild(dataDir, 'none'), null)
    t.same(await stateOf(dataDir), expected)
  })
}

t.same([expected.generation, expected.items], [1, ITEMS])
