import t from 'tap'
import { digestOf } from '../../../appliance/core/digest.ts'
import { byKind, differenceOf, differenceToInventory, digestsOf } from '../../../bundles/build/index.ts'
import type { Item } from '../../../bundles/format/item.ts'

const item = (kind: Item['kind'], name: string, version: string, ...contents: string[]): Item => ({
  kind, name, version, metadata: {}, source: '', blobs: contents.map((content, k) => ({ name: `b${k}`, digest: digestOf(content), size: content.length })),
})
const names = (items: readonly Item[]) => items.map(({ name, version }) => `${name} ${version}`)

const before = [item('npm', 'a', '1', 'a1'), item('npm', 'b', '1', 'b1'), item('npm', 'c', '1', 'c1'), item('npm', 'd', '1', 'd1'), item('pypi', 'n', '1', 'n1'), item('pypi', 'n', '2', 'n2')]
const after = [item('npm', 'a', '1', 'a1'), item('npm', 'b', '2', 'b2'), item('npm', 'c', '1', 'other'), item('npm', 'e', '1', 'e1', 'a1'), item('pypi', 'n', '2', 'n2'), item('pypi', 'n', '3', 'n3'), item('pypi', 'n', '4', 'n3')]

await t.test('added, removed, changed in version and altered are told apart', async t => {
  const found = differenceOf(before, after)
  t.same(names(found.added), ['e 1', 'n 3', 'n 4'], 'one version out and two in is no change of a version')
  t.same(names(found.removed), ['d 1', 'n 1'])
  t.same(found.changed.map(({ from, to }) => `${from.name} ${from.version} → ${to.version}`), ['b 1 → 2'])
  t.same(found.altered.map(({ to }) => `${to.name} ${to.version}`), ['c 1'])
  t.same(names(found.same), ['a 1', 'n 2'])
})

await t.test('new bytes count each blob once, and none that is there', async t => {
  const held = digestsOf(before)
  t.same(byKind(differenceOf(before, after), digest => held.has(digest)), [
    { kind: 'npm', added: 1, removed: 1, changed: 1, altered: 1, same: 1, newBytes: 'e1'.length + 'b2'.length + 'other'.length },
    { kind: 'pypi', added: 2, removed: 1, changed: 0, altered: 0, same: 1, newBytes: 'n3'.length },
  ])
  t.same(byKind(differenceOf(after, after), () => true).map(({ same, newBytes }) => [same, newBytes]), [[4, 0], [3, 0]])
})

await t.test('beside an inventory, an item is the same when all of it is there', async t => {
  const found = differenceToInventory(digestsOf(before), after)
  t.same(names(found.same), ['a 1', 'n 2'])
  t.same([found.removed, found.changed, found.altered], [[], [], []])
})
