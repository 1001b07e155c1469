import t from 'tap'
import { join } from 'node:path'
import type { Item } from '../../../bundles/format/item.ts'
import { openSite } from '../../support/import-site.ts'
import { bundleOf, fileItems, person, trustOf } from '../../support/bundles.ts'

const ana = await person('Ana Ruiz')

async function bundleWith(folder: string, licences: Record<string, string[] | undefined>) {
  const items = fileItems(join(folder, 'blobs'), Object.fromEntries(Object.keys(licences).map(name => [name, name]))).map((item): Item => {
    const stated = licences[item.name]
    return { ...item, kind: 'go', ...(stated === undefined ? {} : { licences: stated }) }
  })
  return await bundleOf({ folder, signers: [ana.signer], items })
}

await t.test('the site\'s lists decide: refused quarantines, warned is said, unknown is noted', async t => {
  const site = await openSite(t, { trust: trustOf([ana]), licences: { refuse: ['AGPL-*'], warn: ['GPL-3.0-only'] } })
  const built = await bundleWith(t.testdir(), { free: ['MIT'], choice: ['MIT OR AGPL-3.0-only'], strong: ['AGPL-3.0-or-later'], watched: ['GPL-3.0-only'], odd: ['BSD'], silent: undefined })
  const { operation, record } = await site.submit(built.file)
  t.same(record.preflight?.findings.map(({ severity, code, item }) => `${severity} ${code} ${item}`), [
    'blocker licence-refused go:strong@1', 'warning licence-warned go:watched@1', 'note unknown-licence go:odd@1', 'note unknown-licence go:silent@1',
  ])
  t.match(record.preflight?.findings[0]?.text, /strong 1 is under AGPL-3\.0-or-later, which this site does not take \(AGPL-\*\)/)
  t.same(record.preflight?.licences, { stated: ['AGPL-3.0-or-later', 'GPL-3.0-only', 'MIT', 'MIT OR AGPL-3.0-only'].map(licence => ({ licence, items: 1 })), others: 0, unknown: 1, silent: 1 })
  await site.imports.proceed(record.id, 'olga')
  t.match(await site.operations.settled(operation.id), { state: 'waiting', waitingOn: 'quarantine' })
})

await t.test('a site without lists takes everything, and still hears what is unknown', async t => {
  const site = await openSite(t, { trust: trustOf([ana]) })
  const many = Object.fromEntries(Array.from({ length: 130 }, (_, k) => [`m${k}`, undefined]))
  const record = await site.importBundle((await bundleWith(t.testdir(), { ...many, strong: ['AGPL-3.0-only'] })).file)
  t.equal(record.state, 'imported')
  t.equal(record.preflight?.findings.length, 101, 'a hundred by name')
  t.match(record.preflight?.findings.at(-1), { item: '', text: '30 more items state no licence that SPDX knows' })
})
