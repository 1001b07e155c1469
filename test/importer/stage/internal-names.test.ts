import t from 'tap'
import { internalNameOf } from '../../../importer/stage/internal-names.ts'
import type { ItemKind } from '../../../bundles/format/item.ts'

const names = { npm: ['@acme/*', 'acme-*', 'exact'], pypi: ['Acme_Tools*'], all: ['*-internal', 'a*b*c'] }
const hit = (kind: ItemKind, name: string): string | undefined => internalNameOf({ kind, name }, names)

await t.test('a pattern counts for its kind, a pattern of all for every kind', async t => {
  t.equal(hit('npm', '@acme/build'), '@acme/*')
  t.equal(hit('npm', 'acme-build'), 'acme-*')
  t.equal(hit('npm', 'exact'), 'exact')
  t.equal(hit('npm', 'exactly'), undefined)
  t.equal(hit('pypi', 'acme-build'), undefined)
  t.equal(hit('oci', 'tools-internal'), '*-internal')
})

await t.test('a name that only looks like ours by case or by the spelling of PyPI is ours', async t => {
  t.equal(hit('npm', '@ACME/build'), '@acme/*')
  for (const name of ['acme-tools', 'acme.tools', 'ACME__tools-extra']) t.equal(hit('pypi', name), 'Acme_Tools*', name)
})

await t.test('stars stand for anything between the parts, in their order, and parts do not overlap', async t => {
  for (const name of ['abc', 'a1b2c', 'abbcc']) t.equal(hit('file', name), 'a*b*c', name)
  for (const name of ['ab', 'acb', 'xabc', 'abcx', 'ac']) t.equal(hit('file', name), undefined, name)
  t.equal(internalNameOf({ kind: 'npm', name: 'aba' }, { npm: ['ab*ba'] }), undefined)
})

await t.test('a pattern of many stars against a long name ends at once', async t => {
  t.equal(internalNameOf({ kind: 'npm', name: 'a'.repeat(200) }, { npm: ['a*'.repeat(100) + 'b'] }), undefined)
})
