import t from 'tap'
import { cpSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { digestOf } from '../../../appliance/core/digest.ts'
import type { ImportRecord } from '../../../bundles/format/import-record.ts'
import { bundleOf, person } from '../../support/bundles.ts'
import { recallBundle, recallOf, trustFor } from '../../support/control.ts'
import { openSite, type Site } from '../../support/import-site.ts'

t.setTimeout(120_000)
const [ana, rex] = await Promise.all(['Ana', 'Rex'].map(name => person(name)))
const trust = trustFor(1, { root: [ana!], release: [ana!], recall: [rex!] })
const release = [ana!.signer]
const recall = [rex!.signer]
const BAD = 'bad firmware'

async function withdrawn(site: Site, path: string): Promise<ImportRecord> {
  const { operation, record } = await site.submit(path)
  if (operation.waitingOn !== 'approval') return record
  await site.imports.approve(record.id, 'anton')
  await site.operations.settled(operation.id)
  return site.imports.get(record.id)
}

await t.test('a recall says what it hits, wants one other person, and withdraws at once', async t => {
  const site = await openSite(t, { trust })
  const folder = t.testdir()
  t.match(await site.importBundle((await bundleOf({ folder: join(folder, '1'), signers: release, files: { 'tools/flash': BAD, 'tools/fine': 'fine' } })).file), { state: 'imported' })
  const { file } = await recallBundle(join(folder, 'recall'), [recallOf({ id: 'r-1', items: ['file:tools/flash@1'], replacement: 'tools/flash 2' })], recall)
  const { operation, record } = await site.submit(file)
  t.match(operation, { state: 'waiting', waitingOn: 'approval' })
  t.match(record, { state: 'awaiting-approval', approvalsNeeded: 1, preflight: { control: 'recall', role: 'recall', adds: [], recall: { recalls: [{ id: 'r-1' }], hits: [{ recall: 'r-1', kind: 'item', name: 'file:tools/flash@1' }] } } })
  t.same(record.preflight?.affects, ['file:tools/flash@1 is here: refused by every mirror from then on'])
  t.equal(site.withdrawn.byDigest(digestOf(BAD)), undefined, 'nothing before the approval')
  await t.rejects(site.imports.approve('recall-1', 'olga'), { code: 'DD-IMPORT-007' })
  await site.imports.approve('recall-1', 'anton')
  t.match(await site.operations.settled(operation.id), { state: 'succeeded' })
  t.match(site.withdrawn.byDigest(digestOf(BAD)), { id: 'r-1', replacement: 'tools/flash 2' })
  t.equal(site.withdrawn.byDigest(digestOf('fine')), undefined)
  t.equal(site.store.catalogue.current().generation, 1)
  t.match(site.events().filter(({ type }) => type.startsWith('recall.')), [{ type: 'recall.applied', subject: 'recall:r-1', fields: { recall: 'r-1', severity: 'critical', items: 'file:tools/flash@1' } }])
})

await t.test('what is recalled never comes in again: not by its bytes, not by its name, not while it waited', async t => {
  const site = await openSite(t, { trust })
  const folder = t.testdir()
  const waiting = await site.submit((await bundleOf({ folder: join(folder, '1'), signers: release, files: { early: BAD } })).file)
  await site.imports.proceed(waiting.record.id, 'olga')
  t.match(await site.operations.settled(waiting.operation.id), { waitingOn: 'approval' })
  t.match(await withdrawn(site, (await recallBundle(join(folder, 'recall'), [recallOf({ id: 'r-1', digests: [digestOf(BAD)], items: ['file:named@*'] })], recall)).file), { state: 'imported', preflight: { affects: [] } })
  await site.imports.approve(waiting.record.id, 'anton')
  await site.operations.settled(waiting.operation.id)
  t.match(site.imports.get(waiting.record.id), { state: 'refused', error: { code: 'DD-IMPORT-019', message: /found file:early@1, withdrawn by recall r-1 \(critical\): it steals keys/ } })
  for (const [k, files] of [{ other: BAD }, { named: 'any bytes' }].entries()) {
    const { operation, record } = await site.submit((await bundleOf({ folder: join(folder, `bad-${k}`), signers: release, files })).file)
    t.match(record.preflight?.findings.filter(({ severity }) => severity === 'blocker'), [{ code: 'recalled', text: /was withdrawn by recall r-1/ }])
    await site.imports.proceed(record.id, 'olga')
    t.match(await site.operations.settled(operation.id), { waitingOn: 'quarantine' })
    await site.imports.reject(record.id, 'recalled', 'anton')
  }
  t.equal(site.store.catalogue.current().generation, 0)
  t.match(await site.importBundle((await bundleOf({ folder: join(folder, 'good'), signers: release, files: { good: 'good' } })).file), { state: 'imported' })
})

await t.test('a recall holds when everything but the marks comes from a backup, and after a restart', async t => {
  const folder = t.testdir()
  const at = join(folder, 'site')
  mkdirSync(at)
  const one = await openSite({ teardown: () => undefined }, { trust, folder: at })
  t.match(await one.importBundle((await bundleOf({ folder: join(folder, '1'), signers: release, files: { flash: BAD } })).file), { state: 'imported' })
  t.match(await withdrawn(one, (await recallBundle(join(folder, 'recall'), [recallOf({ id: 'r-1', items: ['file:flash@1'] })], recall)).file), { state: 'imported' })
  await one.close()
  const again = await openSite({ teardown: () => undefined }, { trust, folder: at, appliance: one.appliance })
  t.match(again.withdrawn.byDigest(digestOf(BAD)), { id: 'r-1' })
  await again.close()
  // The data folder of a new machine: nothing but the marks is the old one's; the name is refused before its bytes were ever here.
  const fresh = join(folder, 'fresh')
  mkdirSync(fresh)
  cpSync(join(at, 'marks'), join(fresh, 'marks'), { recursive: true })
  const site = await openSite(t, { trust, folder: fresh })
  const { record } = await site.submit((await bundleOf({ folder: join(folder, '2'), signers: release, sequence: 2, files: { flash: BAD } })).file)
  t.match(record.preflight?.findings[0], { code: 'recalled' })
})

await t.test('a later bundle adds to a recall or lifts it; a lift of what nobody knows changes nothing', async t => {
  const site = await openSite(t, { trust })
  const folder = t.testdir()
  const bring = async (sequence: number, ...recalls: Parameters<typeof recallOf>[0][]): Promise<ImportRecord> => await withdrawn(site, (await recallBundle(join(folder, String(sequence)), recalls.map(recallOf), recall, sequence)).file)
  t.match(await bring(1, { id: 'r-1', digests: [digestOf('a')] }), { state: 'imported' })
  t.match(await bring(2, { id: 'r-1', digests: [digestOf('b')], reason: 'more of it', date: '2026-11-22T08:00:00Z' }), { state: 'imported' })
  t.match([site.withdrawn.byDigest(digestOf('a')), site.withdrawn.byDigest(digestOf('b'))], [{ reason: 'more of it' }, { reason: 'more of it' }], 'nothing is lifted in passing')
  t.match(await bring(3, { id: 'r-1', action: 'lift', reason: 'a false alarm' }, { id: 'r-9', action: 'lift' }), { state: 'imported' })
  t.same([site.withdrawn.byDigest(digestOf('a')), site.withdrawn.byDigest(digestOf('b'))], [undefined, undefined])
  t.match(site.marks.recalls(), [{ id: 'r-1', lifted: { reason: 'a false alarm' } }], 'it is still known that it was')
  t.match(await bring(4, { id: 'r-1', digests: [digestOf('c')] }), { state: 'imported' })
  t.same([site.withdrawn.byDigest(digestOf('a'))?.id, site.withdrawn.byDigest(digestOf('c'))?.id], [undefined, 'r-1'], 'a recall after a lift begins anew')
})
