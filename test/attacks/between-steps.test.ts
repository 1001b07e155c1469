import t from 'tap'
import { join } from 'node:path'
import { digestOf } from '../../appliance/core/digest.ts'
import { DrydockError } from '../../appliance/core/error.ts'
import { canonicalJson } from '../../bundles/format/canonical-json.ts'
import { encodeManifest } from '../../bundles/format/manifest-file.ts'
import type { Item } from '../../bundles/format/item.ts'
import { bundleOf, fileItems, person } from '../support/bundles.ts'
import { recallBundle, recallOf, trustFor } from '../support/control.ts'
import { openSite } from '../support/import-site.ts'

t.setTimeout(240_000)
const [ana, rex] = (await Promise.all(['Ana', 'Rex'].map(name => person(name)))) as [Person, Person]
type Person = Awaited<ReturnType<typeof person>>
const trust = trustFor(1, { root: [ana], release: [ana], recall: [rex] })

await t.test('a recall of a Python project holds for it however its item was spelled', async t => {
  const site = await openSite(t, { trust })
  const folder = t.testdir()
  t.match(await site.importBundle((await bundleOf({ folder: join(folder, '1'), signers: [ana.signer], files: { bytes: 'bad wheel' } })).file), { state: 'imported' })
  const item: Item = { kind: 'pypi', name: 'Demo_Lib', version: '1.4', metadata: {}, blobs: [{ name: 'demo_lib-1.4-py3-none-any.whl', digest: digestOf('bad wheel'), size: 9 }], source: 'pkg:pypi/demo-lib@1.4' }
  await site.store.catalogue.promote({ operation: 'by hand', items: [item] })
  const recall = await site.submit((await recallBundle(join(folder, '2'), [recallOf({ id: 'r-1', items: ['pypi:demo.lib@1.4'] })], [rex.signer])).file)
  t.match(recall.record.preflight?.recall?.hits, [{ name: 'pypi:Demo_Lib@1.4' }], 'the approver sees it')
  await site.imports.approve(recall.record.id, 'anton')
  await site.operations.settled(recall.operation.id)
  t.match(site.withdrawn.byDigest(digestOf('bad wheel')), { id: 'r-1' })
})

await t.test('who takes up an import that came by itself answers for it, and does not approve it as well', async t => {
  const site = await openSite(t, { trust })
  const folder = t.testdir()
  const first = await bundleOf({ folder, signers: [ana.signer], files: { a: 'a' } })
  const since = { base: digestOf(encodeManifest(first.manifest)), baseSequence: 1, inventory: new Set([digestOf('a')]), items: new Set(fileItems(join(folder, 'blobs'), { a: 'a' }).map(one => digestOf(canonicalJson(one)))) }
  const delta = await bundleOf({ folder, signers: [ana.signer], items: fileItems(join(folder, 'blobs'), { a: 'a', b: 'b' }), sequence: 2, since })
  const { id } = site.imports.submitPath(delta.file, { actor: 'drydock:watch', idempotencyKey: 'arrival' })
  t.match(await site.operations.settled(id), { state: 'waiting', waitingOn: 'blobs-1' })
  // What it stands on comes in; at that moment something fails that would pass.
  const { raise, get } = site.marks
  let armed = false
  site.marks.raise = async (...mark) => {
    await raise(...mark)
    armed = true
  }
  site.marks.get = stream => {
    if (armed) throw new DrydockError('DD-CORE-002', 'expected space, found none', 'free some')
    return get(stream)
  }
  t.match(await site.importBundle(first.file), { state: 'imported' })
  await site.operations.settled(id)
  armed = false
  Object.assign(site.marks, { raise, get })
  t.match(site.imports.get(id), { state: 'failed', submittedBy: 'drydock:watch' })
  const { id: again } = site.imports.resume(id, { actor: 'olga', idempotencyKey: 'resume' })
  t.match(await site.operations.settled(again), { state: 'waiting', waitingOn: 'proceed' }, 'nobody has gone on with it before')
  await site.imports.proceed(id, 'olga')
  t.match(await site.operations.settled(again), { state: 'waiting', waitingOn: 'approval' })
  await t.rejects(site.imports.approve(id, 'olga'), { code: 'DD-IMPORT-007' })
  await site.imports.approve(id, 'anton')
  t.match(await site.operations.settled(again), { state: 'succeeded' })
})

await t.test('the first bundle of a stream does not take all epochs with it by one person\'s word', async t => {
  const site = await openSite(t, { trust })
  const { record } = await site.submit((await bundleOf({ folder: t.testdir(), signers: [ana.signer], epoch: Number.MAX_SAFE_INTEGER, sequence: 1 })).file)
  t.match(record, { state: 'verified', approvalsNeeded: 2, preflight: { findings: [{ code: 'sequence-jump' }] } })
})
