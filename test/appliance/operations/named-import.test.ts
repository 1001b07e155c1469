import t from 'tap'
import { bundleOf, person, trustOf } from '../../support/bundles.ts'
import { openSite } from '../../support/import-site.ts'

t.setTimeout(60_000)

const ana = await person('Ana')
const trust = trustOf([ana])

await t.test('a bundle that was brought twice: its name means the one with which a thing can be done', async t => {
  const site = await openSite(t, { trust })
  const { file } = await bundleOf({ folder: site.media, signers: [ana.signer] })
  const { imports, operations } = site
  const first = await site.submit(file)
  const twin = await site.submit(file)
  t.match(imports.get('demo-1'), { id: twin.record.id, state: 'verified' }, 'the newest of equals')
  t.equal((await imports.proceed(first.record.id, 'olga')).id, first.record.id)
  await operations.settled(first.operation.id)
  t.match(imports.get('demo-1'), { id: first.record.id, state: 'awaiting-approval' }, 'the one that got further')
  t.match(await imports.approve('demo-1', 'paul'), { id: first.record.id }, 'the one that can be approved')
  await operations.settled(first.operation.id)
  t.match(imports.get('demo-1'), { id: first.record.id, state: 'imported' })
  t.ok(imports.receipt('demo-1'), 'the receipt that the appliance names by it')
  t.match(await imports.reject('demo-1', 'brought twice', 'paul'), { id: twin.record.id, state: 'rejected' }, 'the one that can still be rejected')
  await t.rejects(imports.proceed('demo-1', 'olga'), { code: 'DD-IMPORT-006', message: 'expected an import that is verified to go on with, found import demo-1 imported' })
})

await t.test('of two that wait, the approvals of several people come together on one', async t => {
  const site = await openSite(t, { trust })
  const { file } = await bundleOf({ folder: site.media, signers: [ana.signer], sequence: 2_000_000 })
  const records = [(await site.submit(file)).record, (await site.submit(file)).record]
  for (const { id, operation } of records) {
    await site.imports.proceed(id, 'olga')
    await site.operations.settled(operation)
  }
  t.match(await site.imports.approve(records[0]!.id, 'paul'), { approvalsNeeded: 2, approvals: { length: 1 } }, 'a jump of the sequence wants two')
  t.match(await site.imports.approve('demo-2000000', 'petra'), { id: records[0]!.id, approvals: { length: 2 } })
  await site.operations.settled(records[0]!.operation)
  t.match(site.imports.get('demo-2000000'), { id: records[0]!.id, state: 'imported' })
})

await t.test('nothing is decided about one of several that was perhaps not looked at', async t => {
  const site = await openSite(t, { trust })
  const { imports, operations } = site
  const [one, other] = await Promise.all([
    bundleOf({ folder: `${site.media}/one`, signers: [ana.signer], files: { 'a.txt': 'one\n' } }),
    bundleOf({ folder: `${site.media}/other`, signers: [ana.signer], files: { 'a.txt': 'another\n' } }),
  ])
  const records = [(await site.submit(one.file)).record, (await site.submit(other.file)).record]
  await t.rejects(imports.proceed('demo-1', 'olga'), { code: 'DD-IMPORT-025', message: /^expected one import demo-1 to proceed, found 2: .*verified, brought by olga at/, hint: `name the one that you mean by its id: drydock import proceed ${records[1]!.id}` })
  await t.rejects(imports.reject('demo-1', 'which?', 'paul'), { code: 'DD-IMPORT-025' })
  for (const { id, operation } of records) {
    await imports.proceed(id, 'olga')
    await operations.settled(operation)
  }
  await t.rejects(imports.approve('demo-1', 'paul'), { code: 'DD-IMPORT-025' })
  t.match(await imports.approve(records[0]!.id, 'paul'), { id: records[0]!.id }, 'by its id it is clear')
  await operations.settled(records[0]!.operation)
  t.match(imports.get('demo-1'), { id: records[0]!.id, state: 'imported' })
})
