import { existsSync, mkdirSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { digestOf } from '../../../appliance/core/digest.ts'
import type { RescanView } from '../../../appliance/model/rescan.ts'
import { definitionsVersion } from '../../../bundles/format/definitions.ts'
import { eicarDefinitions } from '../../support/eicar.ts'
import type { Site, SiteOptions } from '../../support/import-site.ts'
import { bring, bringDefinitions, KNOWS_NOTHING, publish, rescan, siteOf, type T, V1, V2 } from './rescan-site.ts'
import { until } from './sleepers.ts'

t.setTimeout(180_000)

/** Files whose digests stand in the order of their numbers. */
const inOrder = (count: number): string[] => Array.from({ length: count }, (_, k) => `file ${k}\n`).toSorted((a, b) => (digestOf(a) < digestOf(b) ? -1 : 1))

/** Warns of each file that it sees, one batch each; while `stuck` stands in the folder, it gives no answer about the file that holds these bytes. */
async function stuckSite(t: T, files: readonly string[], beforePlan: () => Promise<unknown> = () => Promise.resolve()): Promise<{ site: Site; stick(bytes: string | null): void; batches(): number }> {
  const folder = t.testdir()
  let batches = 0
  const script = `for f in $(cat /scan/list); do if [ -e ${folder}/stuck ] && cmp -s $f ${folder}/stuck; then exit 3; fi; echo "$f: Seen WARNING"; done; exit 1`
  const site = await siteOf(t, {
    scan: { clamav: 'auto', scanners: [{ name: 'acme', command: ['/usr/bin/bash', '-c', script], version: ['/usr/bin/echo', 'acme 1.0'], reads: [folder] }] }, rescanBatch: { files: 1, bytes: 1 },
    async onJournal({ kind, name, phase }, when) {
      if (kind !== 'rescan' || phase !== 'effect' || when !== 'before') return
      if (name === 'plan') await beforePlan()
      if (name.startsWith('batch-')) batches++
    },
  })
  await bringDefinitions(site, 1, KNOWS_NOTHING, V1)
  await bring(site, 2, Object.fromEntries(files.map((bytes, k) => [`f${k}`, bytes])))
  const stick = (bytes: string | null): void => (bytes === null ? unlinkSync(join(folder, 'stuck')) : writeFileSync(join(folder, 'stuck'), bytes))
  return { site, stick, batches: () => [batches, (batches = 0)][0]! }
}

const seenIn = ({ findings }: RescanView): string[] => findings.flatMap(({ items }) => items).filter(item => item.startsWith('file:')).toSorted()

await t.test('one that failed is gone on with behind its last batch, with what it found; what came in since then is looked at too, wherever its digest stands', async t => {
  const files = inOrder(9)
  const { site, stick, batches } = await stuckSite(t, files.slice(1, 8))
  stick(files[5]!)
  const failed = await rescan(site)
  t.match(failed, { state: 'failed', error: { code: 'DD-IMPORT-023' } })
  t.ok(failed.blobs.done > 3 && failed.blobs.done < failed.blobs.total, `${failed.blobs.done} of ${failed.blobs.total}`)
  batches()

  // Before and behind the place where it failed.
  stick(null)
  await bring(site, 3, { first: files[0]!, last: files[8]! })
  stick(files[7]!)
  const begun = await site.rescans.start({ actor: 'olga', idempotencyKey: 'goes on' })
  t.match(begun.goesOnFrom, { rescan: failed.id, at: failed.at, done: failed.blobs.done, total: failed.blobs.total })
  t.match(await site.operations.settled(begun.id), { state: 'failed' }, 'and fails again')
  stick(null)
  const ended = await rescan(site)
  t.match(ended, { state: 'succeeded', generation: 3, since: 0, goesOnFrom: { rescan: begun.id }, blobs: { done: 10, total: 10 }, rest: [] })
  t.same(seenIn(ended), ['file:first@1', 'file:last@1', ...Array.from({ length: 7 }, (_, k) => `file:f${k}@1`)].toSorted(), 'what each of the three has seen')
  t.same(ended.scans.map(({ scanner, files }) => [scanner, files]), [['clamav', 10], ['acme', 10]])
  // Two of them were begun twice, and the end of the first part was found out once.
  t.ok(batches() <= 10 - failed.blobs.done + 4, 'nothing that was done is done again')
  t.match(site.events().filter(({ type }) => type === 'rescan.started').at(-1), { fields: { goesOnFrom: begun.id } })

  t.match(await site.rescans.start({ actor: 'olga', idempotencyKey: 'whole' }), { goesOnFrom: null }, 'one that came to its end is not gone on with')
})

await t.test('what a broken scanner has passed does not count when it is mended: it begins anew when its version or configuration is another, and when nobody can say, and says why', async t => {
  const acme: NonNullable<NonNullable<SiteOptions['scan']>['scanners']>[number] = { name: 'acme', command: ['/usr/bin/bash', '-c', 'grep -q stuck $(cat /scan/list) && exit 3; exit 0'] }
  const scanners = [acme]
  const site = await siteOf(t, { scan: { scanners }, rescanBatch: { files: 1, bytes: 1 } })
  const [evil, stuck] = Array.from({ length: 50 }, (_, k) => [`evil ${k}\n`, `stuck ${k}\n`] as const).find(([a, b]) => digestOf(a) < digestOf(b))!
  const items = await Promise.all([evil, stuck].map(async (text, k) => ({ kind: 'file' as const, name: `f${k}`, version: '1', metadata: { path: `f${k}` }, blobs: [{ name: 'content', digest: await site.store.blobs.put(text), size: text.length }], source: `pkg:generic/f${k}@1` })))
  await site.store.catalogue.promote({ operation: 'planted', items })
  const start = async (): Promise<{ whyAnew: string | null; goesOn: boolean; found: string[] }> => {
    const begun = await site.rescans.start({ actor: 'olga', idempotencyKey: `mended-${site.rescans.list().length}` })
    await site.operations.settled(begun.id)
    return { whyAnew: begun.whyAnew, goesOn: begun.goesOnFrom !== null, found: site.rescans.list()[0]!.findings.map(({ what }) => what) }
  }
  t.same(await start(), { whyAnew: null, goesOn: false, found: [] })
  const mended = ['/usr/bin/bash', '-c', 'for f in $(cat /scan/list); do grep -q evil $f && { echo "$f: Evil FOUND"; exit 1; }; grep -q stuck $f && exit 3; done; exit 0']
  scanners[0] = { ...acme, command: mended }
  t.same(await start(), { whyAnew: 'nobody knows whether acme is as it was (no version in drydock.yaml)', goesOn: false, found: ['Evil'] })

  scanners[0] = { ...acme, version: ['/usr/bin/echo', 'acme 1.0'] }
  t.match(await start(), { whyAnew: /others now$/, found: [] })
  t.same(await start(), { whyAnew: null, goesOn: true, found: [] }, 'as it was')
  scanners[0] = { ...acme, version: ['/usr/bin/echo', 'acme 1.0'], command: mended }
  t.match(await start(), { whyAnew: /others now$/, goesOn: false, found: ['Evil'] })
  scanners[0] = { ...acme, version: ['/usr/bin/echo', 'acme 1.1'], command: mended }
  t.match(await start(), { whyAnew: /others now$/ })
  scanners[0] = { ...acme, version: ['/usr/bin/false'] }
  await t.rejects(start(), { code: 'DD-IMPORT-023', message: /answer of the scanner acme, found exit 1/ })
})

await t.test('one that failed among what people published looks at all of that again: something may have come in front of it', async t => {
  const { site, stick } = await stuckSite(t, inOrder(2))
  publish(site, 'b', '1.0.0', Buffer.from('second'))
  publish(site, 'c', '1.0.0', Buffer.from('third'))
  stick('third')
  t.match(await rescan(site), { state: 'failed', blobs: { done: 4, total: 5 }, rest: [{ of: 'published', after: '@site/b/b-1.0.0.tgz' }] })
  stick(null)
  publish(site, 'a', '1.0.0', Buffer.from('first'))
  const ended = await rescan(site)
  t.match(ended, { state: 'succeeded', goesOnFrom: { done: 4 }, rest: [] })
  t.same(ended.findings.flatMap(({ items }) => items).filter(item => item.startsWith('npm:')).toSorted(), ['a', 'b', 'c'].map(name => `npm:@site/${name}@1.0.0`))
})

await t.test('one that was cancelled too; anew when it is asked for, and when the definitions are newer', async t => {
  const files = inOrder(5)
  const { site, stick } = await stuckSite(t, files)
  const cancelIt = async (): Promise<RescanView> => {
    const { id } = await site.rescans.start({ actor: 'olga', idempotencyKey: `to cancel ${site.rescans.list().length}` })
    t.ok(await until(() => (site.rescans.list()[0]?.blobs.done ?? 0) >= 2), 'some is done')
    site.operations.cancel(id, 'olga')
    await site.operations.settled(id)
    return site.rescans.list()[0]!
  }
  const cancelled = await cancelIt()
  t.match(cancelled, { state: 'cancelled' })
  const anew = await site.rescans.start({ actor: 'olga', idempotencyKey: 'anew' }, { anew: true })
  t.equal(anew.goesOnFrom, null)
  t.match(await site.operations.settled(anew.id), { state: 'succeeded' })
  t.match(site.rescans.list()[0], { blobs: { done: 6, total: 6 } })
  t.same(seenIn(site.rescans.list()[0]!).length, 5)

  stick(files[4]!)
  const failed = await rescan(site)
  t.match(failed, { state: 'failed', blobs: { total: 6 } })
  stick(null)
  await bringDefinitions(site, 3, eicarDefinitions(), V2)
  const newer = await site.rescans.start({ actor: 'olga', idempotencyKey: 'newer' })
  t.equal(newer.goesOnFrom, null, 'what older definitions have seen counts for nothing')
  await site.operations.settled(newer.id)
  t.match(site.rescans.list()[0], { state: 'succeeded', blobs: { done: 8, total: 8 }, scans: [{ definitions: { version: definitionsVersion(V2) } }, {}] })
})

await t.test('newer definitions that come between the question and its turn begin anew, too', async t => {
  const files = inOrder(3)
  let plans = 0
  const { site, stick } = await stuckSite(t, files, async () => ++plans === 2 && (await bringDefinitions(site, 3, eicarDefinitions(), V2)))
  stick(files[2]!)
  t.match(await rescan(site), { state: 'failed' })
  stick(null)
  const begun = await site.rescans.start({ actor: 'olga', idempotencyKey: 'waits' })
  t.ok(begun.goesOnFrom !== null)
  await site.operations.settled(begun.id)
  const [looked] = site.rescans.list()
  t.match(looked, { state: 'succeeded', scanners: [{ definitions: { version: definitionsVersion(V2) } }, {}], blobs: { done: 6, total: 6 } })
  t.equal(looked?.goesOnFrom, undefined)
})

await t.test('cancelled it stops at once, keeps what it found, and what had nothing done begins anew', async t => {
  const flag = join(t.testdir(), 'slow')
  writeFileSync(flag, '')
  const script = `if [ -e ${flag} ] && grep -q slow $(cat /scan/list); then sleep 7654; fi; exit 0`
  const site = await siteOf(t, { scan: { scanners: [{ name: 'acme', command: ['/usr/bin/bash', '-c', script], reads: [join(flag, '..')] }] } })
  await site.store.catalogue.promote({ operation: 'planted', items: [{ kind: 'file', name: 'slow', version: '1', metadata: { path: 'slow' }, blobs: [{ name: 'content', digest: await site.store.blobs.put('slow\n'), size: 5 }], source: 'pkg:generic/slow@1' }] })
  const { id } = await site.rescans.start({ actor: 'olga', idempotencyKey: 'to-cancel' })
  t.equal((await site.rescans.start({ actor: 'ana', idempotencyKey: 'the same' })).id, id, 'a second one that is asked for meanwhile is the same')
  while (!existsSync(join(site.folder, 'work/rescan/batch/view/list'))) await new Promise(done => setTimeout(done, 20))
  site.operations.cancel(id, 'olga')
  t.match(await site.operations.settled(id), { state: 'cancelled' })
  t.notOk(existsSync(join(site.folder, 'work/rescan')))

  // As after a kill in the middle, when nobody wants it any more.
  mkdirSync(join(site.folder, 'work/rescan/batch/view/opened'), { recursive: true })
  writeFileSync(join(site.folder, 'work/rescan/batch/view/opened/000001-large.unpacked'), 'left')
  const again = await site.rescans.start({ actor: 'olga', idempotencyKey: 'to-cancel-at-once' })
  site.operations.cancel(again.id, 'olga')
  t.match(await site.operations.settled(again.id), { state: 'cancelled' })
  t.notOk(existsSync(join(site.folder, 'work/rescan')), 'what a kill left is removed')
  unlinkSync(flag)
  t.match(await rescan(site), { state: 'succeeded', blobs: { done: 1, total: 1 } })
})
