import { existsSync, mkdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { rescanWaits } from '../../../appliance/api/rescan-waits.ts'
import { digestOf } from '../../../appliance/core/digest.ts'
import type { RescanView } from '../../../appliance/model/rescan.ts'
import type { ImportRecord } from '../../../bundles/format/import-record.ts'
import { definitionsVersion } from '../../../bundles/format/definitions.ts'
import { bundleOf, fileItems, person, trustOf, type Person } from '../../support/bundles.ts'
import { recallBundle, recallOf } from '../../support/control.ts'
import { definitionsItem, EICAR, EICAR_NAME, eicarDefinitions, infected } from '../../support/eicar.ts'
import { createRescan, createScanners } from '../../../importer/scan/index.ts'
import { openSite, type Site, type SiteOptions } from '../../support/import-site.ts'
import { sleepers, until } from './sleepers.ts'

t.setTimeout(180_000)

const HOUR = 3_600_000
const daysAgo = (days: number): string => `${new Date(Date.now() - days * 24 * HOUR - HOUR).toISOString().slice(0, 19)}Z`
const [V1, V2] = [daysAgo(5), daysAgo(1)]
/** Definitions that know nothing that is here. */
const KNOWS_NOTHING = { 'other.hdb': `${'0'.repeat(32)}:1:Other\n` }
const people = [await person('Ana')]
const [ana] = people as [Person]

type T = Parameters<typeof openSite>[0] & { testdir(): string }
const siteOf = async (t: T, more: Partial<SiteOptions> = {}): Promise<Site> => await openSite(t, { trust: trustOf(people), scan: { clamav: 'auto' }, ...more })

async function bring(site: Site, sequence: number, files: Record<string, string | Uint8Array>): Promise<ImportRecord> {
  return await site.importBundle((await bundleOf({ folder: join(site.folder, `made-${sequence}`), files, signers: [ana.signer], sequence })).file)
}

async function bringDefinitions(site: Site, sequence: number, files: Record<string, string>, built: string): Promise<ImportRecord> {
  const folder = join(site.folder, `made-${sequence}`)
  return await site.importBundle((await bundleOf({ folder, items: [definitionsItem(join(folder, 'blobs'), files, built)], signers: [ana.signer], sequence })).file)
}

let requests = 0
/** Asked for by a person, to its end. */
async function rescan(site: Site): Promise<RescanView> {
  const { id } = await site.rescans.start({ actor: 'olga', idempotencyKey: `rescan-${++requests}` })
  await site.operations.settled(id)
  return site.rescans.list().find(each => each.id === id)!
}

await t.test('what was clean under the definitions of its day is named under newer ones, wherever it hides, with what brought it', async t => {
  const site = await siteOf(t)
  await bringDefinitions(site, 1, KNOWS_NOTHING, V1)
  const files = infected(site.folder)
  t.match(await bring(site, 2, { ...files, 'good.txt': 'good\n' }), { state: 'imported', preflight: { findings: [] } }, 'nobody knew it then')
  t.match(await rescan(site), { state: 'succeeded', scans: [{ scanner: 'clamav', definitions: { version: definitionsVersion(V1) }, findings: 0 }], findings: [] })
  await bringDefinitions(site, 3, eicarDefinitions(), V2)

  const before = site.fingerprint()
  const looked = await rescan(site)
  t.equal(site.fingerprint(), before, 'nothing is changed, withdrawn or left by it')
  t.match(looked, { state: 'succeeded', by: 'olga', generation: 3, since: 0, blobs: { done: 10, total: 10 }, scans: [{ scanner: 'clamav', version: /^\d/, definitions: { version: definitionsVersion(V2), ageDays: 1 }, findings: 12 }] }, 'both signatures of it, in six blobs')
  t.same([...new Set(looked.findings.flatMap(({ items }) => items))].toSorted(), Object.keys(files).map(name => `file:${name}@1`).toSorted(), 'two items have the same bytes, which are looked at once')
  for (const finding of looked.findings) t.match(finding, { scanner: 'clamav', severity: 'blocker', code: 'scanner-found', what: new RegExp(`^${EICAR_NAME}`), text: /^clamav found \S+ in \S+ 1 (and 1 more )?\(content\)$/, digest: /^sha256:/, imports: [site.imports.get('2').id] })

  const [first] = site.rescans.findings()
  t.match(first, { broughtBy: [{ stream: 'demo', sequence: 2 }], withdrawn: null, recall: /^drydock recall new --id found-[0-9a-f]{8} --digest sha256:[0-9a-f]{64} --reason 'clamav found Drydock\.Test\.Eicar\S*' --out found-[0-9a-f]{8}\.yaml$/ })
  t.equal(site.events().filter(({ type }) => type === 'rescan.found').length, 12)
  t.match(site.events().find(({ type, subject }) => type === 'rescan.found' && subject === 'item:file:eicar.com@1'), { actor: 'olga', fields: { scanner: 'clamav', items: 'file:eicar.com@1', broughtBy: 'demo 2', digest: digestOf(EICAR) } })
  t.equal(site.audited.filter(({ action }) => action === 'scanner.found').length, 12)
  t.match(site.audited.at(-1), { actor: 'olga', action: 'scanner.rescan', outcome: 'allowed', fields: { findings: 12, files: 10, by: `clamav ${definitionsVersion(V2)}` } })
  t.notOk(existsSync(join(site.folder, 'work/rescan/batch')), 'what scanners saw is removed')
})

await t.test('every blob is looked at once, in batches, however it is shared; bytes that are large make a batch of their own', async t => {
  const batches = new Set<string>()
  const script = 'for f in $(cat /scan/list); do sum=$(sha256sum <$f); echo "$f: ${sum%% *} WARNING"; done; exit 1'
  const site = await siteOf(t, { scan: { scanners: [{ name: 'acme', command: ['/usr/bin/bash', '-c', script] }] }, rescanBatch: { files: 4, bytes: 100_000 }, onJournal: ({ name }) => void (name.startsWith('batch-') && batches.add(name)) })
  const files = Object.fromEntries(Array.from({ length: 10 }, (_, k) => [`file-${k}`, `content ${k}\n`]))
  await bring(site, 1, { ...files, 'file-3-again': 'content 3\n', large: Buffer.alloc(200_000, 1), larger: Buffer.alloc(300_000, 2) })
  const looked = await rescan(site)
  t.match(looked, { state: 'succeeded', blobs: { done: 12, total: 12 }, scans: [{ scanner: 'acme', files: 12, findings: 12 }] })
  t.same(looked.findings.map(({ what }) => `sha256:${what}`).toSorted(), [...new Set([...Object.values(files), Buffer.alloc(200_000, 1), Buffer.alloc(300_000, 2)].map(bytes => digestOf(bytes)))].toSorted())
  for (const { what, digest } of looked.findings) t.equal(`sha256:${what}`, digest, 'each finding is about the bytes that it names')
  t.same(looked.findings.find(({ digest }) => digest === digestOf('content 3\n'))?.items.toSorted(), ['file:file-3-again@1', 'file:file-3@1'])
  t.ok(batches.size >= 5, `no batch is larger than it may be: ${batches.size} batches`)
})

await t.test('a scanner that gives no answer fails it, and nothing counts as clean; what was found before stands', async t => {
  const script = 'if grep -q broken $(cat /scan/list); then exit 3; fi; grep -l evil $(cat /scan/list) | sed "s/$/: Evil FOUND/"; ! grep -q evil $(cat /scan/list)'
  const site = await siteOf(t, { scan: { scanners: [{ name: 'acme', command: ['/usr/bin/bash', '-c', script] }] }, rescanBatch: { files: 1, bytes: 1 } })
  // In the order of digests: the evil one is looked at before the broken one.
  const [evil, broken] = Array.from({ length: 50 }, (_, k) => [`evil ${k}\n`, `broken ${k}\n`] as const).find(([a, b]) => digestOf(a) < digestOf(b)) ?? ['', '']
  const { store } = site
  const items = await Promise.all([['evil', evil], ['broken', broken]].map(async ([name, text]) => ({ kind: 'file' as const, name: name!, version: '1', metadata: { path: name! }, blobs: [{ name: 'content', digest: await store.blobs.put(text!), size: text!.length }], source: `pkg:generic/${name}@1` })))
  await store.catalogue.promote({ operation: 'planted', items })
  t.match(await rescan(site), { state: 'failed', endedAt: null, error: { code: 'DD-IMPORT-023', message: /answer of the scanner acme, found exit 3/, hint: /drydock scanner rescan$/ }, blobs: { done: 1, total: 2 }, findings: [{ text: 'acme found Evil in evil 1 (content)' }] })
  t.match(site.rescans.findings(), [{ text: 'acme found Evil in evil 1 (content)', imports: ['planted'], broughtBy: [] }])
  t.match(site.events().filter(({ type }) => type.startsWith('rescan.')).map(({ type }) => type), ['rescan.started', 'rescan.found', 'rescan.failed'])
})

await t.test('what a scanner warns of under the name of what it found hides nothing', async t => {
  const site = await siteOf(t, { scan: { scanners: [{ name: 'acme', command: ['/usr/bin/bash', '-c', 'f=$(cat /scan/list); echo "$f: Evil FOUND"; echo "$f: Evil WARNING"; exit 1'] }] } })
  await site.store.catalogue.promote({ operation: 'planted', items: [{ kind: 'file', name: 'a', version: '1', metadata: { path: 'a' }, blobs: [{ name: 'content', digest: await site.store.blobs.put('a\n'), size: 2 }], source: 'pkg:generic/a@1' }] })
  t.match((await rescan(site)).findings.map(({ severity, text }) => `${severity} ${text}`), ['blocker acme found Evil in a 1 (content)', 'warning acme warns of Evil in a 1 (content)'])
})

await t.test('a scanner that is gone in the middle does not leave the rest unlooked at', async t => {
  const site = await siteOf(t)
  await bringDefinitions(site, 1, KNOWS_NOTHING, V1)
  await bring(site, 2, { a: 'first\n' })
  const config = { scanners: [{ name: 'acme', command: ['/usr/bin/true'] }], clamavMaxAgeDays: 14, clamavRescan: 'off' as const }
  const of = (clamav: 'auto' | 'off'): ReturnType<typeof createRescan> => createRescan({ scanners: createScanners({ config: { ...config, clamav }, clock: { now: () => new Date() } }), catalogue: site.store.catalogue, blobs: site.store.blobs, folder: join(site.folder, 'work/rescan') })
  const plan = await of('auto').plan({ generation: null, since: 0, goesOn: null })
  t.same(plan.scanners.map(({ name }) => name), ['clamav', 'acme'])
  await t.rejects(of('off').batch(plan, plan.rest[0]!, { signal: AbortSignal.timeout(60_000), looked: () => undefined }), { code: 'DD-IMPORT-023', message: /clamav with definitions \S+, found it is no longer here \(acme\)/ })
})

await t.test('without a scanner that can look it is refused, and says what to do', async t => {
  const site = await siteOf(t)
  await bring(site, 1, { a: 'first\n' })
  await t.rejects(rescan(site), { code: 'DD-IMPORT-040', hint: /import its definitions/ })
})

await t.test('bytes that the store has lost are named, and the rest is looked at', async t => {
  const site = await siteOf(t)
  await bringDefinitions(site, 1, eicarDefinitions(), V1)
  await bring(site, 2, { a: 'first\n', b: 'second\n' })
  unlinkSync(site.store.blobs.blobPath(digestOf('first\n')))
  const looked = await rescan(site)
  t.match(looked, { state: 'succeeded', blobs: { done: 4, total: 4 }, findings: [{ severity: 'warning', code: 'not-here', items: ['file:a@1'], text: /^the bytes of a 1 \(content\) are not in the store/ }] })
  t.equal(looked.scans[0]?.files, 3)
})

await t.test('new definitions start it by themselves, once, also when it was cut off before; what waited for an approver meanwhile is looked at too', async t => {
  const site = await siteOf(t)
  await bring(site, 1, { old: EICAR })
  await bringDefinitions(site, 2, KNOWS_NOTHING, V1)
  const settle = async (): Promise<void> => {
    await site.rescans.whenNew()
    for (const { id } of site.operations.list().filter(({ kind }) => kind === 'rescan')) await site.operations.settled(id)
  }
  await settle()
  await settle()
  t.match(site.rescans.list(), [{ by: 'drydock:rescan', since: 0, generation: 2, findings: [] }])

  // Scanned before the new definitions came, approved after them.
  const { file } = await bundleOf({ folder: join(site.folder, 'made-3'), files: { late: `${EICAR}\n` }, signers: [ana.signer], sequence: 3 })
  const { operation, record } = await site.submit(file)
  await site.imports.proceed(record.id, 'olga')
  await site.operations.settled(operation.id)
  t.match(site.imports.get(record.id), { state: 'awaiting-approval', scans: [{ definitions: { version: definitionsVersion(V1) } }] })
  const made = join(site.folder, 'made-other')
  const other = await bundleOf({ folder: made, items: [definitionsItem(join(made, 'blobs'), eicarDefinitions(), V2), ...fileItems(join(made, 'blobs'), { 'z.txt': 'z\n' })], signers: [ana.signer], sequence: 1, stream: 'definitions' })
  t.match(await site.importBundle(other.file), { state: 'imported' })
  await settle()
  t.match(site.rescans.list()[0], { since: 0, generation: 3, findings: [{ items: ['file:old@1'] }] })
  await site.imports.approve(record.id, 'anton')
  await site.operations.settled(operation.id)
  await settle()
  await settle()
  t.equal(site.rescans.list().length, 3)
  t.match(site.rescans.list()[0], { state: 'succeeded', by: 'drydock:rescan', since: 3, generation: 4, blobs: { done: 1, total: 1 }, findings: [{ items: ['file:late@1'] }] })
  t.same([...new Set(site.rescans.findings().flatMap(({ items }) => items))].toSorted(), ['file:late@1', 'file:old@1'], 'both stand')
})

await t.test('what newer definitions no longer know is gone; what a recall withdraws is said to be', async t => {
  const site = await siteOf(t)
  await bring(site, 1, { old: EICAR, tool: 'a harmless tool\n' })
  await bringDefinitions(site, 2, { ...eicarDefinitions(), 'wrong.ndb': `Wrong.Alarm:0:*:${Buffer.from('a harmless tool').toString('hex')}\n` }, V1)
  await rescan(site)
  t.same([...new Set(site.rescans.findings().flatMap(({ items }) => items))].toSorted(), ['file:old@1', 'file:tool@1'])
  await bringDefinitions(site, 3, eicarDefinitions(), V2)
  await rescan(site)
  t.match(site.rescans.findings(), [{ items: ['file:old@1'], withdrawn: null }])
  const { file } = await recallBundle(join(site.folder, 'recall'), [recallOf({ id: 'eicar', digests: [digestOf(EICAR)], items: [] })], [ana.signer])
  await site.submit(file).then(async ({ record }) => {
    await site.imports.approve(record.id, 'anton')
    await site.operations.settled(record.operation)
  })
  t.match(site.rescans.findings(), [{ items: ['file:old@1'], withdrawn: 'eicar', recall: null }])
})

await t.test('it gives way: an import is scanned at once, in front of it, and what it was looking at is looked at again', async t => {
  const folder = t.testdir({ slow: '' })
  // Only what runs in the background sleeps.
  const script = `if [ "$(nice)" -ge 10 ] && [ -e ${folder}/slow ]; then exec /usr/bin/sleep 7655; fi; [ "$(nice)" -lt 10 ] || { echo "$(head -1 /scan/list): In.The.Background WARNING"; exit 1; }`
  const site = await siteOf(t, { scan: { scanners: [{ name: 'acme', command: ['/usr/bin/bash', '-c', script], reads: [folder] }] } })
  t.match(await bring(site, 1, { a: 'first\n' }), { state: 'imported', scans: [{ scanner: 'acme', findings: 0 }] })
  const { id } = await site.rescans.start({ actor: 'olga', idempotencyKey: 'gives way' })
  t.ok(await until(() => sleepers('7655').length > 0), 'it looks')
  unlinkSync(join(folder, 'slow'))
  t.match(await bring(site, 2, { b: 'second\n' }), { state: 'imported', scans: [{ scanner: 'acme', findings: 0 }] }, 'an import does not wait for it')
  t.match(await site.operations.settled(id), { state: 'succeeded' })
  t.match(site.rescans.list(), [{ generation: 1, blobs: { done: 1, total: 1 }, scans: [{ findings: 1 }], findings: [{ what: 'In.The.Background' }] }])
})

/** As verdaccio keeps it: what `npm publish` sent. */
function publish(site: Site, name: string, version: string, tarball: Uint8Array, file = `${name}-${version}.tgz`): string {
  const folder = join(site.folder, 'site/npm/@site', name)
  mkdirSync(folder, { recursive: true })
  const path = join(folder, file)
  writeFileSync(path, tarball)
  const packument = join(folder, 'package.json')
  const { versions } = (existsSync(packument) ? JSON.parse(readFileSync(packument, 'utf8')) : { versions: {} }) as { versions: object }
  writeFileSync(packument, JSON.stringify({ versions: { ...versions, [version]: { dist: { tarball: `http://appliance/@site/${name}/-/${name}-${version}.tgz` } } } }))
  return path
}

const blockers = (site: Site) => site.rescans.findings().filter(({ severity }) => severity === 'blocker')

await t.test('what is published under a name that no version stands for is found, and stays found until the file itself is gone', async t => {
  const site = await siteOf(t)
  await bringDefinitions(site, 1, { 'evil.ndb': `Evil:0:*:${Buffer.from('something evil').toString('hex')}\n` }, V1)
  const paths = [publish(site, 'at', '1@2', Buffer.from('something evil, first'), 'at-1@2.tgz'), publish(site, 'odd3', '1.0.0', Buffer.from('something evil, second'), 'Odd3-9.9.9.tgz'), publish(site, 'odd', '1.0.0', Buffer.from('something evil, third'), 'evil.zip')]
  await rescan(site)
  t.same(new Map(blockers(site).map(({ text, unpublish }) => [text, unpublish])), new Map([
    ['clamav found Evil.UNOFFICIAL in @site/at, published here (at-1@2.tgz)', "npm unpublish '@site/at' --force"],
    ['clamav found Evil.UNOFFICIAL in @site/odd, published here (evil.zip)', "npm unpublish '@site/odd' --force"],
    ['clamav found Evil.UNOFFICIAL in @site/odd3, published here (Odd3-9.9.9.tgz)', "npm unpublish '@site/odd3' --force"],
  ]))
  for (const [k, path] of paths.entries()) {
    unlinkSync(path)
    t.equal(blockers(site).length, 2 - k)
  }
})

await t.test('the same bytes under many names alarm until the last of them is gone, and the next ones are named when the first are', async t => {
  const site = await siteOf(t, { rescanBatch: { files: 9, bytes: 10_000_000 } })
  await bringDefinitions(site, 1, { 'evil.ndb': `Evil:0:*:${Buffer.from('something evil').toString('hex')}\n` }, V1)
  // In two batches.
  const paths = Array.from({ length: 12 }, (_, k) => publish(site, `p${String(k).padStart(2, '0')}`, '1.0.0', Buffer.from('something evil')))
  t.match(await rescan(site), { findings: [{ text: /^clamav found \S+ in @site\/p00 1\.0\.0, published here and 8 more \(p00-1\.0\.0\.tgz\)$/ }, { text: /and 2 more/ }] })
  t.same(blockers(site).map(({ items }) => items), [[0, 1, 2, 3, 4, 5, 6, 7].map(k => `npm:@site/p0${k}@1.0.0`)])
  for (const path of paths.slice(0, 8)) unlinkSync(path)
  t.match(blockers(site).map(({ unpublish }) => unpublish), [['p08', 'p09', 'p10', 'p11'].map(name => `npm unpublish '@site/${name}@1.0.0'`).join(' && ')])
  for (const path of paths.slice(8, 11)) unlinkSync(path)
  t.match(blockers(site), [{ items: ['npm:@site/p11@1.0.0'] }])
  unlinkSync(paths[11]!)
  t.same(blockers(site), [])
})

await t.test('what people published into the private npm registry is looked at too, is named as theirs, and is gone when they take it away', async t => {
  const site = await siteOf(t, { rescanBatch: { files: 2, bytes: 10_000_000 } })
  await bringDefinitions(site, 1, eicarDefinitions(), V1)
  const { 'evil-1.0.0.tgz': evil } = infected(site.folder)
  const good = gzipSync('good')
  const path = publish(site, 'evil', '1.0.0', evil!)
  for (const [name, version] of [['evil', '2.0.0'], ['tool', '1.0.0'], ['tool', '1.1.0-rc.1']] as const) publish(site, name, version, good)
  publish(site, 'zz-copy', '0.1.0', evil!)

  await rescan(site)
  const before = site.fingerprint()
  const looked = await rescan(site)
  t.equal(site.fingerprint(), before, 'nothing is changed or left by it')
  t.match(looked, { state: 'succeeded', blobs: { done: 7, total: 7 }, rest: [] })
  const found = site.rescans.findings().filter(({ severity }) => severity === 'blocker')
  t.same([...new Set(found.flatMap(({ items }) => items))], ['npm:@site/evil@1.0.0', 'npm:@site/zz-copy@0.1.0'])
  t.match(found[0], { published: true, imports: [], broughtBy: [], recall: null, digest: digestOf(evil!), text: /^clamav found \S+ in @site\/evil 1\.0\.0, published here \(evil-1\.0\.0\.tgz\)$/, unpublish: 'npm unpublish \'@site/evil@1.0.0\'' })
  t.match(rescanWaits({ rescans: site.rescans })[0], { text: /published here .*: it is served until somebody who may publish takes it away$/, hint: /^npm unpublish/ })
  t.match(site.events().find(({ subject }) => subject === 'item:npm:@site/evil@1.0.0'), { type: 'rescan.found' })

  unlinkSync(path)
  t.same([...new Set(site.rescans.findings().flatMap(({ items }) => items))], ['npm:@site/zz-copy@0.1.0'], 'what is no longer here alarms nobody')
})

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
    const begun = await site.rescans.start({ actor: 'olga', idempotencyKey: `mended-${++requests}` })
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
    const { id } = await site.rescans.start({ actor: 'olga', idempotencyKey: `to cancel ${++requests}` })
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
