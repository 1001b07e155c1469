import t from 'tap'
import type { Digest } from '../../../appliance/core/digest.ts'
import { openStore } from '../../../mirror/store/open.ts'
import { fileItem, toyFormat } from '../support/toy-format.ts'

const formats = [toyFormat()]

await t.test('every blob of a generation is met once, page by page, whoever shares it', async t => {
  const { blobs, catalogue, close } = await openStore({ dataDir: t.testdir(), formats })
  const items = await Promise.all(Array.from({ length: 25 }, async (_, k) => await fileItem(blobs, `tool-${k}`, '1', `bytes ${k % 20}`)))
  await catalogue.promote({ operation: 'op-1', items })
  await catalogue.promote({ operation: 'op-2', items: [await fileItem(blobs, 'late', '1', 'late')] })
  const { walk } = catalogue
  const met: Digest[] = []
  for (let page = walk.page({ generation: 1, since: 0 }, null, 6); page.length > 0; page = walk.page({ generation: 1, since: 0 }, page.at(-1) ?? null, 6)) {
    t.ok(page.length <= 6)
    met.push(...page)
  }
  t.same(met, [...new Set(items.map(item => item.blobs[0]!.digest))].toSorted())
  t.equal(walk.count({ generation: 1, since: 0 }, null), 20)
  t.equal(walk.count({ generation: 2, since: 0 }, null), 21)
  close()
})

await t.test('what came after a generation can be met alone, and a blob tells who has it and who brought it', async t => {
  const { blobs, catalogue, close } = await openStore({ dataDir: t.testdir(), formats })
  const tool = await fileItem(blobs, 'tool', '1', 'same')
  await catalogue.promote({ operation: 'op-1', items: [tool, await fileItem(blobs, 'other', '1', 'other')] })
  await catalogue.promote({ operation: 'op-2', items: [await fileItem(blobs, 'tool', '2', 'same'), await fileItem(blobs, 'late', '1', 'late')] })
  const { walk } = catalogue
  const { digest } = tool.blobs[0]!
  t.equal(walk.count({ generation: 2, since: 1 }, null), 2)
  t.same(walk.holders({ generation: 2, since: 0 }, digest, 9).map(item => item.version), ['1', '2'])
  t.same(walk.holders({ generation: 2, since: 0 }, digest, 1).map(item => item.version), ['1'])
  t.same(walk.holders({ generation: 2, since: 1 }, digest, 9).map(item => item.version), ['2'])
  t.same(walk.bringers(digest), ['op-1', 'op-2'])
  close()
})
