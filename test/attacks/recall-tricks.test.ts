import t from 'tap'
import { join } from 'node:path'
import { digestOf } from '../../appliance/core/digest.ts'
import type { ErrorCode } from '../../appliance/core/errors/table.ts'
import type { Signer } from '../../appliance/core/signer.ts'
import { eventLine } from '../../appliance/model/event-line.ts'
import type { Item } from '../../bundles/format/item.ts'
import { bundleOf, fileItems, person, type BundleSpec } from '../support/bundles.ts'
import { recallBundle, recallItem, recallOf, trustFor } from '../support/control.ts'
import { openSite } from '../support/import-site.ts'

t.setTimeout(240_000)
const [ana, mia, rex, eve] = (await Promise.all(['Ana', 'Mia', 'Rex', 'Eve'].map(name => person(name)))) as [Person, Person, Person, Person]
type Person = Awaited<ReturnType<typeof person>>
const trust = trustFor(1, { root: [ana], release: [mia], recall: [rex] })
const plain = recallOf({ id: 'r-1', digests: [digestOf('bad')] })

type Trick = { why: string; code: ErrorCode; items: (folder: string) => Item[]; by?: Signer[]; change?: Partial<BundleSpec> }
const odd = (change: Record<string, unknown>): Item[] => [{ ...recallItem(plain), metadata: { recall: { ...plain, ...change } } }]

const TRICKS: Trick[] = [
  { why: 'release and root keys withdraw nothing', code: 'DD-TRUST-012', items: () => [recallItem(plain)], by: [ana.signer, mia.signer] },
  { why: 'nobody', code: 'DD-TRUST-012', items: () => [recallItem(plain)], by: [] },
  { why: 'a stranger', code: 'DD-TRUST-012', items: () => [recallItem(plain)], by: [eve.signer] },
  { why: 'content beside it', code: 'DD-IMPORT-020', items: folder => [...fileItems(join(folder, 'blobs'), { a: 'content' }), recallItem(plain)], by: [mia.signer, rex.signer] },
  { why: 'a trust beside it', code: 'DD-IMPORT-020', items: () => [recallItem(plain), { kind: 'trust', name: 'trust', version: '2', metadata: { trust }, blobs: [], source: 'pkg:generic/trust@2' }], by: [ana.signer, rex.signer] },
  { why: 'the stream of trust', code: 'DD-IMPORT-020', items: () => [recallItem(plain)], change: { stream: 'trust' } },
  { why: 'a stream of content', code: 'DD-IMPORT-020', items: () => [recallItem(plain)], change: { stream: 'demo' } },
  { why: 'a file of its own', code: 'DD-IMPORT-020', items: folder => [{ ...recallItem(plain), blobs: fileItems(join(folder, 'blobs'), { a: 'payload' })[0]!.blobs }] },
  { why: 'an item that has another name than its recall', code: 'DD-IMPORT-020', items: () => [{ ...recallItem(plain), name: 'r-2' }] },
  { why: 'nothing that is withdrawn', code: 'DD-IMPORT-021', items: () => odd({ digests: [] }) },
  { why: 'a lift that withdraws', code: 'DD-IMPORT-021', items: () => odd({ action: 'lift' }) },
  { why: 'trust itself', code: 'DD-CORE-009', items: () => odd({ items: ['trust:trust@1'] }) },
  { why: 'every item there is', code: 'DD-CORE-009', items: () => odd({ items: ['*'] }) },
  { why: 'no digest', code: 'DD-CORE-009', items: () => odd({ digests: ['sha256:ABC'] }) },
  { why: 'an id that is a path', code: 'DD-CORE-009', items: () => odd({ id: '../r-1' }) },
  { why: 'an unknown field', code: 'DD-CORE-009', items: () => odd({ lift: true }) },
  { why: 'another site', code: 'DD-IMPORT-001', items: () => [recallItem(plain)], change: { site: 'site-b' } },
]

await t.test('no trick withdraws anything; nothing changes, and the right one still does', async t => {
  const site = await openSite(t, { trust })
  const folder = t.testdir()
  for (const [k, { why, code, items, by = [rex.signer], change }] of TRICKS.entries()) {
    const own = join(folder, String(k))
    const { file } = await bundleOf({ folder: own, items: items(own), signers: by, stream: 'recall', name: 'recall', site: '*', sequence: 1, ...change })
    const before = site.fingerprint()
    const { record } = await site.submit(file)
    t.match(record, { state: /refused|failed/, error: { code } }, `${why}: ${record.error?.message}`)
    t.equal(site.fingerprint(), before, `${why}: nothing changed`)
    t.same(site.marks.recalls(), [])
  }
  const { operation, record } = await site.submit((await recallBundle(join(folder, 'good'), [plain], [rex.signer])).file)
  await site.imports.approve(record.id, 'anton')
  t.match(await site.operations.settled(operation.id), { state: 'succeeded' })
  t.equal(site.withdrawn.byDigest(digestOf('bad'))?.id, 'r-1')
})

await t.test('an old recall does not undo a newer one, and a jump needs two people', async t => {
  const site = await openSite(t, { trust })
  const folder = t.testdir()
  const bundles = [
    await recallBundle(join(folder, '1'), [recallOf({ id: 'r-1', action: 'lift' })], [rex.signer], 1),
    await recallBundle(join(folder, '2'), [plain], [rex.signer], 2),
    await recallBundle(join(folder, '40'), [recallOf({ id: 'r-2', digests: [digestOf('other')] })], [rex.signer], 40),
  ]
  const bring = async (k: number): Promise<ReturnType<typeof site.imports.get>> => {
    const { operation, record } = await site.submit(bundles[k]!.file)
    if (operation.waitingOn === 'approval') await site.imports.approve(record.id, 'anton')
    await site.operations.settled(operation.id)
    return site.imports.get(record.id)
  }
  t.match(await bring(1), { state: 'imported' })
  t.match(await bring(0), { state: 'refused', error: { code: 'DD-IMPORT-003' } }, 'the lift of before')
  t.match(await bring(1), { state: 'refused', error: { code: 'DD-IMPORT-003' } })
  t.equal(site.withdrawn.byDigest(digestOf('bad'))?.id, 'r-1')
  t.match(await bring(2), { state: 'awaiting-approval', approvalsNeeded: 2, preflight: { findings: [{ code: 'sequence-jump' }] } })
  t.equal(site.withdrawn.byDigest(digestOf('other')), undefined)
})

await t.test('control characters in a reason are told escaped, and a recall of a digest that is no blob of a bundle hides nothing of ours', async t => {
  const site = await openSite(t, { trust })
  const folder = t.testdir()
  await site.importBundle((await bundleOf({ folder: join(folder, 'content'), signers: [mia.signer], files: { a: 'fine' } })).file)
  const entry = site.store.catalogue.lookup(1, 'file', '/')
  t.equal(entry?.ours, true)
  const { operation, record } = await site.submit((await recallBundle(join(folder, 'r'), [recallOf({ id: 'r-1', reason: 'red \u001b[31malert\u202e', digests: [entry!.digest] })], [rex.signer])).file)
  await site.imports.approve(record.id, 'anton')
  t.match(await site.operations.settled(operation.id), { state: 'succeeded' })
  for (const event of site.events()) t.notMatch(eventLine(event), /\p{Cc}|\u202e/u, event.type)
})
