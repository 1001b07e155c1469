import t from 'tap'
import { join } from 'node:path'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { openMarks } from '../../../importer/verify/index.ts'
import { bundleOf, person } from '../../support/bundles.ts'
import { trustBundle, trustFor } from '../../support/control.ts'
import { openSite, type Site } from '../../support/import-site.ts'
import type { ImportRecord } from '../../../bundles/format/import-record.ts'

t.setTimeout(120_000)
const [ana, jon, mia, kim] = await Promise.all(['Ana', 'Jon', 'Mia', 'Kim'].map(name => person(name)))
const first = trustFor(1, { root: [ana!, jon!], release: [ana!, jon!], recall: [jon!] }, { root: 2, release: 2 })
/** Jon leaves, Mia comes. */
const second = trustFor(2, { root: [ana!, mia!], release: [ana!, mia!], recall: [mia!] }, { root: 2, release: 1 })
const third = trustFor(3, { root: [mia!, kim!], release: [mia!], recall: [mia!] }, { root: 2 }, [ana!])
const all = [ana!, jon!, mia!].map(({ signer }) => signer)

/** Submit, two people approve; no `proceed` is asked for. */
export async function installed(site: Site, path: string): Promise<ImportRecord> {
  const { operation, record } = await site.submit(path)
  if (operation.waitingOn !== 'approval') return record
  await site.imports.approve(record.id, 'anton')
  await site.imports.approve(record.id, 'berta')
  await site.operations.settled(operation.id)
  return site.imports.get(record.id)
}

await t.test('a new trust shows exactly what it changes, wants two approvers, and is in force with the import', async t => {
  const site = await openSite(t, { trust: first })
  const folder = t.testdir()
  const content = await bundleOf({ folder: join(folder, 'content'), signers: [ana!.signer, jon!.signer] })
  t.match(await site.importBundle(content.file), { state: 'imported' })
  const { file } = await trustBundle(join(folder, 'two'), second, all)
  const { operation, record } = await site.submit(file)
  t.match(operation, { state: 'waiting', waitingOn: 'approval' })
  t.match(record, { state: 'awaiting-approval', approvalsNeeded: 2, sequence: 2, preflight: { control: 'trust', role: 'root', threshold: 2, adds: [], findings: [], newBytes: 0 } })
  t.match(record.preflight?.trust, {
    from: 1, to: 2,
    keys: [{ name: 'Jon', change: 'removed' }, { name: 'Mia', change: 'added' }],
    roles: [
      { role: 'root', threshold: { from: 2, to: 2 }, added: [{ name: 'Mia' }], removed: [{ name: 'Jon' }] },
      { role: 'release', threshold: { from: 2, to: 1 }, added: [{ name: 'Mia' }], removed: [{ name: 'Jon' }] },
      { role: 'recall', threshold: { from: 1, to: 1 }, added: [{ name: 'Mia' }], removed: [{ name: 'Jon' }] },
    ],
  })
  t.same(record.preflight?.trust?.signedByNew.map(({ name }) => name).toSorted(), ['Ana', 'Mia'])
  await site.imports.approve(record.id, 'anton')
  t.equal(site.trust().version, 1, 'one approver is not enough')
  await t.rejects(site.imports.approve('trust-2', 'olga'), { code: 'DD-IMPORT-007' }, 'the one who brought it is none')
  await site.imports.approve('trust-2', 'berta')
  t.match(await site.operations.settled(operation.id), { state: 'succeeded' })
  t.same(site.trust(), second)
  t.equal(site.marks.trust()?.version, 2)
  t.equal(site.store.catalogue.current().generation, 1, 'the mirrors stay')
  t.match(site.events().filter(({ type }) => type.startsWith('trust.')), [{ type: 'trust.changed', fields: { from: 1, to: 2, keys: 'removed Jon, added Mia' } }])
  t.match(JSON.parse(site.imports.receipt('trust-2').receipt), { stream: 'trust', sequence: 2, generation: 1 })
  t.match(await site.importBundle((await bundleOf({ folder: join(folder, 'new'), signers: [mia!.signer], sequence: 2, files: { n: 'new' } })).file), { state: 'imported' })
  t.match(await site.importBundle((await bundleOf({ folder: join(folder, 'old'), signers: [jon!.signer], sequence: 3, files: { o: 'old' } })).file), { state: 'refused', error: { code: 'DD-TRUST-012' } })
})

await t.test('a site that missed a version gets both from one stick, in their order', async t => {
  const site = await openSite(t, { trust: first })
  const folder = t.testdir()
  const two = await trustBundle(join(folder, 'two'), second, all)
  const three = await trustBundle(join(folder, 'three'), third, [ana!.signer, mia!.signer, kim!.signer])
  t.match(await installed(site, three.file), { state: 'refused', error: { code: 'DD-TRUST-012' } }, 'its signers are not known yet')
  t.match(await installed(site, two.file), { state: 'imported' })
  t.match(await installed(site, three.file), { state: 'imported', preflight: { trust: { keys: [{ change: 'revoked', name: 'Ana' }, { change: 'added', name: 'Kim' }] } } })
  t.equal(site.trust().version, 3)
})

await t.test('a revocation is fatal for what waits, what is parked and what comes, and names what that key had signed', async t => {
  const site = await openSite(t, { trust: second })
  const folder = t.testdir()
  const by = [ana!.signer]
  t.match(await site.importBundle((await bundleOf({ folder: join(folder, '1'), signers: by })).file), { state: 'imported' })
  const waiting = await site.submit((await bundleOf({ folder: join(folder, '2'), signers: by, sequence: 2, files: { w: 'waits' } })).file)
  await site.imports.proceed(waiting.record.id, 'olga')
  t.match(await site.operations.settled(waiting.operation.id), { waitingOn: 'approval' })
  const seen = await site.submit((await bundleOf({ folder: join(folder, '3'), signers: [...by, mia!.signer], sequence: 3, files: { s: 'seen' } })).file)
  t.match(seen.operation, { waitingOn: 'proceed' })
  t.match(await installed(site, (await trustBundle(join(folder, 'three'), third, [ana!.signer, mia!.signer, kim!.signer])).file), { state: 'imported' })
  t.match(site.events().find(({ type }) => type === 'trust.revoked'), { subject: `key:${ana!.key.fingerprint}`, fields: { name: 'Ana', imports: 2, sequences: 'trust 3, demo 1' } })
  await site.imports.approve(waiting.record.id, 'anton')
  await site.operations.settled(waiting.operation.id)
  t.match(site.imports.get(waiting.record.id), { state: 'refused', error: { code: 'DD-TRUST-007' } })
  await site.imports.proceed(seen.record.id, 'olga')
  await site.operations.settled(seen.operation.id)
  t.match(site.imports.get(seen.record.id), { state: 'refused', error: { code: 'DD-TRUST-007' } }, 'also beside a good signature')
  t.equal(site.store.catalogue.current().generation, 1)
  t.match(await site.importBundle((await bundleOf({ folder: join(folder, '4'), signers: [mia!.signer], sequence: 2, files: { g: 'good' } })).file), { state: 'imported' })
})

await t.test('an older trust that came back with a backup is noticed; newer trust bundles again mend it, and nothing else is judged before', async t => {
  const folder = t.testdir()
  const at = join(folder, 'site')
  mkdirSync(at)
  const site = await openSite(t, { trust: first, folder: at })
  const two = await trustBundle(join(folder, 'two'), second, all)
  const three = await trustBundle(join(folder, 'three'), third, [ana!.signer, mia!.signer, kim!.signer])
  for (const { file } of [two, three]) t.match(await installed(site, file), { state: 'imported' })
  // Desired state comes from a backup of before; marks are not in it.
  writeFileSync(join(at, 'trust-in-force.json'), JSON.stringify(first))
  const content = await bundleOf({ folder: join(folder, 'content'), signers: [ana!.signer, jon!.signer] })
  t.match(await site.importBundle(content.file), { state: 'refused', error: { code: 'DD-TRUST-019', message: /expected trust version 3 .*, found version 1 in the data folder/ } })
  t.match(await installed(site, two.file), { state: 'imported' })
  t.match(await site.importBundle(content.file), { state: 'refused', error: { code: 'DD-TRUST-019' } }, 'still behind')
  t.equal(site.marks.trust()?.version, 3)
  const fork = trustFor(3, { root: [ana!], release: [ana!], recall: [ana!] })
  t.match(await installed(site, (await trustBundle(join(folder, 'fork'), fork, [ana!.signer, mia!.signer])).file), { state: 'refused', error: { code: 'DD-TRUST-017', message: /expected trust version 3 as it was in force here/ } })
  t.match(await installed(site, three.file), { state: 'imported' })
  t.match(await site.importBundle((await bundleOf({ folder: join(folder, 'good'), signers: [mia!.signer] })).file), { state: 'imported' })
})

await t.test('another document of the marked version is noticed, and what two people accept counts', async t => {
  const folder = t.testdir()
  const at = join(folder, 'site')
  mkdirSync(at)
  const site = await openSite(t, { trust: second, folder: at })
  const other = trustFor(2, { root: [kim!], release: [kim!], recall: [kim!] })
  writeFileSync(join(at, 'trust-in-force.json'), JSON.stringify(other))
  const content = await bundleOf({ folder: join(folder, 'content'), signers: [kim!.signer] })
  t.match(await site.importBundle(content.file), { state: 'refused', error: { code: 'DD-TRUST-019', message: /another document of version 2/ } })
  const { digest } = await (await import('../../../importer/verify/index.ts')).loadTrust(other)
  await site.marks.acceptTrust({ version: 2, digest })
  t.match(await site.importBundle(content.file), { state: 'imported' })
  cpSync(join(at, 'marks'), join(folder, 'copy'), { recursive: true })
  t.same((await openMarks(join(folder, 'copy'))).trust(), { version: 2, digest })
})
