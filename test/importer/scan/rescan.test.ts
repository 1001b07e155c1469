import { existsSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { digestOf } from '../../../appliance/core/digest.ts'
import { definitionsVersion } from '../../../bundles/format/definitions.ts'
import { bundleOf, fileItems } from '../../support/bundles.ts'
import { recallBundle, recallOf } from '../../support/control.ts'
import { definitionsItem, EICAR, EICAR_NAME, eicarDefinitions, infected } from '../../support/eicar.ts'
import { createRescan, createScanners } from '../../../importer/scan/index.ts'
import { ana, bring, bringDefinitions, KNOWS_NOTHING, rescan, siteOf, V1, V2 } from './rescan-site.ts'
import { sleepers, until } from './sleepers.ts'

t.setTimeout(180_000)

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
