import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { MACHINE_ACTORS } from '../../../appliance/model/machine-actor.ts'
import { person } from '../../support/bundles.ts'
import { recallBundle, recallOf, trustBundle, trustFor } from '../../support/control.ts'
import { openSite, type Site } from '../../support/import-site.ts'

t.setTimeout(120_000)
const [ana, rex] = await Promise.all(['Ana', 'Rex'].map(name => person(name)))
const trust = trustFor(1, { root: [ana!], release: [ana!], recall: [rex!] })
const recalls = { recall: [recallOf({ id: 'r-1', items: ['file:flash@1'] })], lift: [recallOf({ id: 'r-1', action: 'lift' })] }

/** How many different people it takes until it is in force, each of them saying yes once; whoever brought it is one of them. */
async function peopleNeeded(t: Test, file: string, by: string): Promise<number> {
  const site = await openSite(t, { trust })
  const { operation, record } = await site.submit(file, by)
  t.match(operation, { waitingOn: 'approval' })
  const crew = ['anton', 'berta', 'carla', 'dirk']
  let said = by.includes(':') ? 0 : 1
  for (const who of crew) {
    if (site.imports.get(record.id).state !== 'awaiting-approval') break
    await site.imports.approve(record.id, who)
    said++
    const { approvals, approvalsNeeded } = site.imports.get(record.id)
    if (approvals.length < approvalsNeeded) await t.rejects(site.imports.approve(record.id, who), { code: 'DD-IMPORT-007' }, 'nobody counts twice')
    else await site.operations.settled(operation.id)
  }
  t.match(site.imports.get(record.id), { state: 'imported', submittedBy: by.includes(':') ? 'anton' : by })
  return said
}

await t.test('a trust or a recall that came by itself needs as many different people as one that somebody brought', async t => {
  const folder = t.testdir()
  const next = await trustBundle(join(folder, 'trust'), trustFor(2, { root: [ana!], release: [ana!, rex!], recall: [rex!] }), [ana!.signer])
  const recall = await recallBundle(join(folder, 'recall'), recalls.recall, [rex!.signer])
  for (const [file, people] of [[next.file, 3], [recall.file, 2]] as const) {
    for (const by of ['olga', MACHINE_ACTORS.media, MACHINE_ACTORS.watch]) t.equal(await peopleNeeded(t, file, by), people, `${file} by ${by}`)
  }
})

await t.test('who answers for it may be one who only brings bundles in, and stands in the receipt', async t => {
  const site = await openSite(t, { trust })
  const { file } = await recallBundle(t.testdir(), recalls.recall, [rex!.signer])
  const { operation, record } = await site.submit(file, MACHINE_ACTORS.media)
  await site.imports.proceed('recall-1', 'olga')
  t.match(site.imports.get(record.id), { state: 'awaiting-approval', submittedBy: 'olga', approvals: [] })
  await t.rejects(site.imports.proceed('recall-1', 'olga'), { code: 'DD-IMPORT-006' })
  await t.rejects(site.imports.approve('recall-1', 'olga'), { code: 'DD-IMPORT-007' })
  await site.imports.approve('recall-1', 'anton')
  t.match(await site.operations.settled(operation.id), { state: 'succeeded' })
  t.match(JSON.parse(site.imports.receipt('recall-1').receipt), { submittedBy: 'olga', approvedBy: ['anton'] })
})

await t.test('who answered for one bundle has not answered for another one in its place', async t => {
  const site: Site = await openSite(t, { trust })
  const folder = t.testdir()
  const [first, second] = [await recallBundle(join(folder, '1'), recalls.recall, [rex!.signer]), await recallBundle(join(folder, '2'), recalls.lift, [rex!.signer])]
  const place = join(folder, 'place.drydock')
  copyFileSync(first.file, place)
  const { operation, record } = await site.submit(place, MACHINE_ACTORS.watch)
  await site.imports.approve(record.id, 'anton')
  // At this moment the disk fails, as it may; before it is taken up again somebody puts another bundle there.
  const { keepRecalls } = site.marks
  site.marks.keepRecalls = async () => await Promise.reject(new TypeError('the disk'))
  await site.imports.approve(record.id, 'berta')
  await site.operations.settled(operation.id)
  site.marks.keepRecalls = keepRecalls
  t.match(site.imports.get(record.id), { state: 'failed', submittedBy: 'anton' })
  copyFileSync(second.file, place)
  const again = site.imports.resume(record.id, { actor: MACHINE_ACTORS.watch, idempotencyKey: 'again' })
  t.match(await site.operations.settled(again.id), { waitingOn: 'approval' })
  t.match(site.imports.get(record.id), { submittedBy: MACHINE_ACTORS.watch, approvals: [] })
})
