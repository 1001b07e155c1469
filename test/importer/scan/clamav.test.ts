import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import t from 'tap'
import { digestOf } from '../../../appliance/core/digest.ts'
import type { ImportRecord } from '../../../bundles/format/import-record.ts'
import { itemKey } from '../../../bundles/format/item.ts'
import { definitionsVersion } from '../../../bundles/format/definitions.ts'
import { bundleOf, fileItems, person, trustOf, type Person } from '../../support/bundles.ts'
import { definitionsItem, EICAR, EICAR_NAME, eicarDefinitions, infected } from '../../support/eicar.ts'
import { openSite, type Site, type SiteOptions } from '../../support/import-site.ts'

t.setTimeout(120_000)

const HOUR = 3_600_000
/** Days and an hour ago, so that the number of days is the same during the whole test. */
const daysAgo = (days: number): string => `${new Date(Date.now() - days * 24 * HOUR - HOUR).toISOString().slice(0, 19)}Z`
const BUILT = daysAgo(5)
const people = [await person('Ana')]
const [ana] = people as [Person]

type T = Parameters<typeof openSite>[0] & { testdir(): string }
const siteOf = async (t: T, more: Partial<SiteOptions> = {}): Promise<Site> => await openSite(t, { trust: trustOf(people), scan: { clamav: 'auto' }, ...more })

/** A bundle with definitions, and perhaps files beside them. */
async function bringDefinitions(folder: string, files: Record<string, string | Uint8Array>, { built = BUILT, sequence = 1, content = { 'readme.txt': 'good\n' } }: { built?: string; sequence?: number; content?: Record<string, string | Uint8Array> } = {}): Promise<string> {
  const into = join(folder, `definitions-${sequence}`)
  const items = [definitionsItem(join(into, 'blobs'), files, built), ...fileItems(join(into, 'blobs'), content)].toSorted((a, b) => (itemKey(a) < itemKey(b) ? -1 : 1))
  return (await bundleOf({ folder: into, items, signers: [ana.signer], sequence })).file
}

const bring = async (folder: string, files: Record<string, string | Uint8Array>, sequence: number): Promise<string> => (await bundleOf({ folder: join(folder, `content-${sequence}`), files, signers: [ana.signer], sequence })).file

/** As far as an approver, or quarantine. */
async function scanned(site: Site, path: string): Promise<ImportRecord> {
  const { operation, record } = await site.submit(path)
  await site.imports.proceed(record.id, 'olga')
  await site.operations.settled(operation.id)
  return site.imports.get(record.id)
}

await t.test('without definitions an import says plainly that nothing was scanned', async t => {
  const site = await siteOf(t)
  const { record } = await site.submit(await bring(t.testdir(), { a: 'first\n' }, 1))
  t.match(record.preflight!.findings, [{ severity: 'warning', code: 'no-definitions', text: /^not scanned for viruses/ }])
  t.match(record.preflight!.scanners, [{ name: 'clamav', version: /^\d+\.\d+/, definitions: null }])
  t.match(await site.importBundle(await bring(t.testdir(), { b: 'second\n' }, 2)), { state: 'imported', scans: [], preflight: { findings: [{ code: 'no-definitions' }] } })
})

await t.test('with ClamAV switched off nothing is said of it', async t => {
  const site = await siteOf(t, { scan: { clamav: 'off' } })
  const record = await site.importBundle(await bring(t.testdir(), { a: EICAR }, 1))
  t.match(record, { state: 'imported', scans: [], preflight: { findings: [] } })
  t.notOk('scanners' in record.preflight!)
})

await t.test('the EICAR file stops an import wherever it hides, each item is named, and the next good bundle comes in', async t => {
  const folder = t.testdir()
  const site = await siteOf(t)
  t.match(await site.importBundle(await bringDefinitions(folder, eicarDefinitions())), { state: 'imported', generation: 1 })
  const files = infected(folder)
  const record = await scanned(site, await bring(folder, { ...files, 'good.txt': 'good\n' }, 2))
  t.equal(record.state, 'quarantined')
  const blockers = record.preflight!.findings.filter(finding => finding.severity === 'blocker')
  t.same([...new Set(blockers.map(finding => finding.item))].toSorted(), Object.keys(files).map(name => `file:${name}@1`).toSorted())
  for (const finding of blockers) t.match(finding, { code: 'scanner-found', text: new RegExp(`^clamav found ${EICAR_NAME}\\S* in \\S+ 1 \\(content\\)$`) })
  t.match(record.scans, [{ scanner: 'clamav', version: /^\d+\.\d+/, definitions: { version: definitionsVersion(BUILT), built: BUILT, ageDays: 5 }, files: 11, findings: 14 }], 'both signatures of it, in each')

  await t.rejects(site.imports.approve(record.id, 'anton'), { code: 'DD-IMPORT-006' }, 'it cannot be approved')
  for (const bytes of Object.values(files)) t.notOk(site.store.blobs.has(digestOf(bytes)), 'nothing of it is in the store')
  t.match(await site.imports.reject(record.id, 'infected', 'anton'), { state: 'rejected', reason: /infected/ })
  t.same(readdirSync(join(site.folder, 'staging')), [], 'nothing stays staged')

  const good = await site.importBundle(await bring(folder, { 'good.txt': 'a good one\n' }, 3))
  t.match(good, { state: 'imported', generation: 2, preflight: { findings: [] }, scans: [{ scanner: 'clamav', files: 1, findings: 0 }] })
  const again = await site.importBundle(await bring(folder, { 'again.txt': 'a good one\n' }, 4))
  t.match(again.scans, [{ scanner: 'clamav', version: /^\d+\.\d+/, definitions: { ageDays: 5 }, files: 0 }], 'what is here already is not looked at again')
  t.match(JSON.parse(site.imports.receipt('3').receipt), { scans: [{ scanner: 'clamav', definitions: definitionsVersion(BUILT) }] })
})

await t.test('old definitions are a warning with their age, newer ones end it, and older ones that come later are not used', async t => {
  const folder = t.testdir()
  const site = await siteOf(t)
  await site.importBundle(await bringDefinitions(folder, eicarDefinitions(), { built: daysAgo(45) }))
  const { record } = await site.submit(await bring(folder, { a: 'first\n' }, 2))
  t.match(record.preflight!.findings, [{ severity: 'warning', code: 'old-definitions', text: /are 45 days old/ }])
  t.match(record.preflight!.scanners, [{ definitions: { ageDays: 45 } }])
  await site.importBundle(await bringDefinitions(folder, { 'other.hdb': `${'0'.repeat(32)}:1:Other\n` }, { sequence: 3 }))
  const newest = await site.importBundle(await bring(folder, { b: EICAR }, 4))
  t.match(newest, { state: 'imported', preflight: { findings: [] }, scans: [{ definitions: { version: definitionsVersion(BUILT) } }] }, 'only the newest are loaded')
  await site.importBundle(await bringDefinitions(folder, eicarDefinitions(), { built: daysAgo(44), sequence: 5 }))
  t.match(await site.importBundle(await bring(folder, { c: 'third\n' }, 6)), { scans: [{ definitions: { version: definitionsVersion(BUILT) } }] })
})

await t.test('definitions that do not load, are of another kind, or come from the future are quarantined, so that they never stop a later import', async t => {
  const folder = t.testdir()
  const site = await siteOf(t)
  const refused: [Record<string, string | Uint8Array>, string, RegExp][] = [
    [{ 'broken.ndb': 'this is no signature\n' }, BUILT, /clamscan cannot load them/],
    [{ 'main.cvd': Buffer.concat([Buffer.from('ClamAV-VDB:10 Jun 2026 07-12 +0000:1:1:90:X:X:forged:1'.padEnd(512)), Buffer.from('not what was signed')]) }, BUILT, /clamscan cannot load them/],
    [{ 'allow.fp': `${'0'.repeat(32)}:1:Clean\n` }, BUILT, /a file of another kind: "allow.fp"/],
    [{ '../evil.hdb': `${'0'.repeat(32)}:1:X\n` }, BUILT, /another kind/],
    [eicarDefinitions(), '2099-01-01T00:00:00Z', /built already, found 2099/],
  ]
  for (const [k, [files, built, says]] of refused.entries()) {
    const record = await scanned(site, await bringDefinitions(folder, files, { built, sequence: k + 1 }))
    t.match(record, { state: 'quarantined', preflight: { findings: [{ code: 'no-definitions' }, { severity: 'blocker', code: 'definitions-broken', item: /^advisories:clamav@/, text: says }] } })
    await site.imports.reject(record.id, 'broken', 'anton')
  }
  t.match(await site.importBundle(await bringDefinitions(folder, eicarDefinitions(), { sequence: 9 })), { state: 'imported' })
  t.match(await scanned(site, await bring(folder, { a: EICAR }, 10)), { state: 'quarantined' })
})

await t.test('an import does not look again at what is here already, which a rescan does', async t => {
  const folder = t.testdir()
  const site = await siteOf(t)
  await site.importBundle(await bring(folder, { old: EICAR }, 1))
  await site.importBundle(await bringDefinitions(folder, eicarDefinitions(), { sequence: 2 }))
  t.match(await site.importBundle(await bring(folder, { old: EICAR, new: 'new\n' }, 3)), { state: 'imported', scans: [{ files: 1 }] })
})

/** A zip whose one entry says that it is encrypted; what is in it does not matter. */
function encryptedZip(folder: string): Buffer {
  writeFileSync(join(folder, 'secret.txt'), 'secret '.repeat(40))
  execFileSync('python3', ['-m', 'zipfile', '-c', 'secret.zip', 'secret.txt'], { cwd: folder })
  const bytes = readFileSync(join(folder, 'secret.zip'))
  bytes.writeUInt16LE(1, 6)
  bytes.writeUInt16LE(1, bytes.indexOf(Buffer.from('PK\x01\x02')) + 8)
  return bytes
}

await t.test('what hides deeper is found as far as ClamAV opens it; debs and zstd inside of other archives are named, because nobody opens them', async t => {
  const folder = t.testdir()
  const site = await siteOf(t)
  await site.importBundle(await bringDefinitions(folder, eicarDefinitions()))
  const { 'evil-1.0.0.tgz': tgz, 'evil-xz.deb': xz, 'evil-zstd.deb': zstd, 'layer.tar.zst': layer } = infected(folder)
  const within = (name: string, files: Record<string, Uint8Array>): Buffer => {
    const at = join(folder, 'within', name)
    mkdirSync(at, { recursive: true })
    for (const [file, bytes] of Object.entries(files)) writeFileSync(join(at, file), bytes)
    if (name.endsWith('.zip')) execFileSync('python3', ['-m', 'zipfile', '-c', `../${name}.made`, ...Object.keys(files)], { cwd: at })
    else if (!name.endsWith('.deb')) execFileSync('tar', ['czf', `../${name}.made`, ...Object.keys(files)], { cwd: at })
    else {
      mkdirSync(join(at, 'DEBIAN'))
      writeFileSync(join(at, 'DEBIAN/control'), 'Package: outer\nVersion: 1.0\nArchitecture: all\nMaintainer: A Test <test@example.org>\nDescription: holds another\n')
      execFileSync('dpkg-deb', ['-Zzstd', '-b', '.', `../${name}.made`], { cwd: at, stdio: 'ignore' })
    }
    return readFileSync(join(folder, 'within', `${name}.made`))
  }
  const tgzInDeb = within('tgz.deb', { 'inner.tgz': tgz! })
  // RFC 8878, 3.1.2: who reads zstd passes over these eleven bytes.
  const skipped = Buffer.concat([Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0]), Buffer.from('abc'), layer!])
  const opened = { 'skipped.zst': skipped, 'tgz.deb': tgzInDeb, 'tgz.tgz': within('tgz.tgz', { 'a.tgz': tgz! }), 'tgz-in-tgz.zip': within('tgz-in-tgz.zip', { 'b.tgz': within('b.tgz', { 'a.tgz': tgz! }) }) }
  const found = await scanned(site, await bring(folder, opened, 2))
  t.same([...new Set(found.preflight!.findings.filter(({ severity }) => severity === 'blocker').map(({ item }) => item))].toSorted(), Object.keys(opened).map(name => `file:${name}@1`).toSorted())
  await site.imports.reject(found.id, 'infected', 'anton')

  const passedOver = { 'deb.deb': within('deb.deb', { 'inner.deb': xz! }), 'deb.tgz': within('deb.tgz', { 'inner.deb': zstd! }), 'deb-in-tgz.zip': within('deb-in-tgz.zip', { 'c.tgz': within('c.tgz', { 'inner.deb': xz! }) }), 'layer.tgz': within('layer.tgz', { 'layer.tar.zst': layer! }), 'skipped.tgz': within('skipped.tgz', { 'layer.tar.zst': skipped }), 'twice.zst': zstdCompressSync(layer!) }
  const clean = within('clean.deb', { 'readme.txt': Buffer.from('nothing in it\n') })
  const told = await scanned(site, await bring(folder, { ...passedOver, 'clean.deb': clean }, 3))
  t.equal(told.state, 'awaiting-approval')
  t.same(told.preflight!.findings.map(({ item, severity, code }) => `${severity} ${code} ${item}`).toSorted(), Object.keys(passedOver).map(name => `warning not-opened-inside file:${name}@1`).toSorted(), 'and a deb that is opened is not')
  t.match(told.preflight!.findings[0]?.text, /holds inside of another archive a Debian package or something compressed with zstd, which was not opened \(clamav: Drydock\.Nested/)
})

await t.test('what ClamAV cannot look into is a warning that names it, not clean', async t => {
  const folder = t.testdir()
  const site = await siteOf(t)
  await site.importBundle(await bringDefinitions(folder, eicarDefinitions()))
  let nested: Uint8Array = Buffer.from(EICAR)
  for (let depth = 0; depth < 30; depth++) nested = gzipSync(nested)
  const files = {
    'broken.zst': Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), Buffer.alloc(64, 7)]),
    'broken.deb': Buffer.concat([Buffer.from('!<arch>\ndebian-binary   '), Buffer.alloc(64, 0x20)]),
    'encrypted.zip': encryptedZip(folder),
    'nested.gz': nested,
  }
  const record = await site.importBundle(await bring(folder, files, 2))
  t.same(new Set(record.preflight!.findings.map(({ severity, code, item }) => `${severity} ${code} ${item}`)), new Set([
    'warning not-opened file:broken.deb@1', 'warning not-opened file:broken.zst@1', 'warning encrypted file:encrypted.zip@1', 'warning too-big-to-scan file:nested.gz@1',
  ]))
})
