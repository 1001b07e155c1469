import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createReadStream, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import t, { type Test } from 'tap'
import { digestOf, hexOf } from '../../../appliance/core/digest.ts'
import type { ImportRecord } from '../../../bundles/format/import-record.ts'
import { bundleOf, person, trustOf } from '../../support/bundles.ts'
import { openSite, takeIn, type Site } from '../../support/import-site.ts'

t.setTimeout(280_000)

const [ana, jon] = await Promise.all([person('Ana Ruiz'), person('Jon Berg')])
const trust = trustOf([ana, jon])
const signers = [ana.signer, jon.signer]
const VOLUME = 140 * 1024
/** Four volumes: pieces that cross them, a piece that occurs several times, an empty file, odd sizes. */
const files: Record<string, Uint8Array | string> & { a: string } = { a: 'first\n', empty: '', large: randomBytes(150_001), zeros: Buffer.alloc(60_000), ...Object.fromEntries(Array.from({ length: 3 }, (_, k) => [`part/${k}`, randomBytes(10_000 + 37 * k)])) }

async function set(t: Test, more: object = {}): Promise<string[]> {
  const { volumes, manifest } = await bundleOf({ folder: t.testdir(), signers, files, volumeBytes: VOLUME, parity: 2, ...more })
  if (!('files' in more)) t.equal(manifest.volumes.length, 4)
  return volumes.map(({ file }) => file)
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path)
  bytes[bytes.length + at]! ^= 1
  writeFileSync(path, bytes)
}

/** What joins an import has ended before the import itself has looked again. */
async function submit(site: Site, path: string): Promise<ImportRecord> {
  const { record } = await site.submit(path)
  await site.operations.settled(record.operation)
  return site.imports.get(record.id)
}

async function submitAll(site: Site, paths: readonly string[]): Promise<string> {
  let id = ''
  for (const path of paths) ({ id } = await submit(site, path))
  return id
}

/** From the preflight to the end; everything must be there as it was built. */
async function toTheEnd(t: Test, site: Site, id: string, content: Record<string, Uint8Array | string> = files): Promise<void> {
  await takeIn(t, site, id)
  for (const bytes of Object.values(content)) t.ok((await site.store.blobs.read(digestOf(bytes))).equals(Buffer.from(bytes)))
  t.same(readdirSync(join(site.folder, 'staging')).filter(name => name !== 'uploads'), [], 'nothing stays staged')
}

await t.test('any four of the six files are enough, in any order; it says how many are still wanted', async t => {
  const paths = await set(t)
  for (const lost of [[0, 1], [2, 4]]) {
    const site = await openSite(t, { trust })
    const here = paths.filter((_path, k) => !lost.includes(k)).toReversed()
    const first = await submit(site, here[0]!)
    t.match(first, { state: 'parked' })
    t.match(first.missing.at(-1), /^[01] of 2 parity volumes here: 3 more volumes or parity volumes make it whole$/)
    await submit(site, here[1]!)
    const third = await submit(site, here[2]!)
    t.match(third, { state: 'parked' })
    t.match(third.missing.at(-1), /^[012] of 2 parity volumes here: one more volume or parity volume makes it whole$/)
    t.match(third.missing[0], /^volume \d of 4 \(demo-0001\.v\d-of-4\.drydock\)$/)
    const record = await submit(site, here[3]!)
    t.match(record, { state: 'verified', missing: [] })
    await toTheEnd(t, site, record.id)
  }
})

await t.test('three lost: parked until one more comes, by upload, and rebuilt then', async t => {
  const site = await openSite(t, { trust })
  const paths = await set(t)
  const id = await submitAll(site, [paths[5]!, paths[1]!, paths[4]!])
  t.match(site.imports.get(id), { state: 'parked' })
  await t.rejects(site.imports.proceed(id, 'olga'), { code: 'DD-IMPORT-006' })
  const upload = await site.imports.submitStream(createReadStream(paths[3]!), basename(paths[3]!), { actor: 'olga', idempotencyKey: 'one more' })
  await site.operations.settled(upload.id)
  await site.operations.settled(site.imports.get(id).operation)
  await toTheEnd(t, site, id)
  t.same(readdirSync(join(site.folder, 'staging', 'uploads')), [])
})

await t.test('a volume with one flipped byte, and one cut short, are rebuilt without anybody being asked', async t => {
  const site = await openSite(t, { trust })
  const paths = await set(t)
  flip(paths[1]!, -5000)
  writeFileSync(paths[3]!, readFileSync(paths[3]!).subarray(0, -30_000))
  await toTheEnd(t, site, await submitAll(site, paths))
})

await t.test('a damaged parity volume is not used: another one takes its place, or the import waits and names it', async t => {
  const site = await openSite(t, { trust })
  const paths = await set(t)
  const good = readFileSync(paths[4]!)
  flip(paths[4]!, -5000)
  flip(paths[2]!, -5000)
  const id = await submitAll(site, paths)
  await toTheEnd(t, site, id)
  const alone = await openSite(t, { trust })
  const next = await submitAll(alone, [paths[0]!, paths[1]!, paths[3]!, paths[4]!])
  const { operation } = alone.imports.get(next)
  t.match(await alone.operations.settled(operation), { waitingOn: 'proceed' })
  await alone.imports.proceed(next, 'olga')
  t.match(await alone.operations.settled(operation), { state: 'waiting', waitingOn: 'again-1' })
  t.match(alone.imports.get(next), { state: 'parked', missing: [/^volume 3 of 4/, /^parity volume 1 \(demo-0001\.p1\.drydock\): what came was not good: expected parity\/1\/0000\d-/, /one more volume or parity volume makes it whole$/] })
  t.equal(alone.store.catalogue.current().generation, 0)
  writeFileSync(paths[4]!, good)
  for (const path of paths.slice(0, 4)) rmSync(path)
  await alone.submit(paths[4]!)
  t.match(await alone.operations.settled(operation), { state: 'waiting', waitingOn: 'approval' }, 'from what is staged: the other media are gone')
})

await t.test('a parity volume of another bundle of the same name is an import of its own', async t => {
  const site = await openSite(t, { trust })
  const [paths, other] = [await set(t), await bundleOf({ folder: join(t.testdirName, 'other'), signers, files: { ...files, a: 'other' }, volumeBytes: VOLUME, parity: 2 })]
  const id = await submitAll(site, paths.slice(0, 3))
  const { record } = await site.submit(other.volumes[4]!.file)
  t.not(record.id, id)
  t.match(record, { state: 'parked' })
  t.match(site.imports.get(id), { state: 'parked' }, 'it did not help the first one')
})

await t.test('a set of one volume comes back from its parity alone', async t => {
  const content = { only: randomBytes(90_000), second: 'x' }
  const paths = await set(t, { files: content, volumeBytes: undefined, parity: 1 })
  const site = await openSite(t, { trust })
  t.match((await site.submit(paths[1]!)).record, { state: 'verified', missing: [] })
  await toTheEnd(t, site, site.imports.list()[0]!.id, content)
  const whole = await openSite(t, { trust })
  t.match(await whole.importBundle(paths[0]!), { state: 'imported' }, 'and the volume alone needs no parity')
})

await t.test('a delta with parity: what the store holds already helps to rebuild', async t => {
  const site = await openSite(t, { trust })
  const first = await bundleOf({ folder: t.testdir(), signers, files: { a: files.a, 'part/0': files['part/0']! } })
  t.match(await site.importBundle(first.file), { state: 'imported' })
  const inventory = new Set([digestOf(files.a)])
  // The second bundle brings part/0 once more, which the site holds: it is only hashed, and read from the store to rebuild what is lost.
  const { volumes } = await bundleOf({ folder: join(t.testdirName, 'delta'), signers, files, volumeBytes: VOLUME, parity: 1, sequence: 2, since: { base: digestOf('receipt'), inventory } })
  const holder = volumes.findIndex(({ file }) => readFileSync(file).includes(`blobs/${hexOf(digestOf(files['part/0']!))}`, 20_000))
  const lost = holder === 0 ? 1 : 0
  await toTheEnd(t, site, await submitAll(site, volumes.filter((_volume, k) => k !== lost).map(({ file }) => file)))
})

await t.test('a medium that gives other bytes after it was staged cannot spoil what is rebuilt', async t => {
  const site = await openSite(t, { trust })
  const paths = await set(t)
  const bad = readFileSync(paths[2]!)
  flip(paths[2]!, -5000)
  const id = await submitAll(site, [paths[0]!, paths[1]!, paths[2]!, paths[3]!])
  const { operation } = site.imports.get(id)
  await site.operations.settled(operation)
  await site.imports.proceed(id, 'olga')
  t.match(await site.operations.settled(operation), { waitingOn: 'again-1' })
  for (const path of paths.slice(0, 4)) writeFileSync(path, bad)
  await site.submit(paths[5]!)
  t.match(await site.operations.settled(operation), { state: 'waiting', waitingOn: 'approval' })
  t.notOk(existsSync(join(site.folder, 'staging', id, 'rebuilt')), 'what was made is gone once it is staged')
})

await t.test('a large uncompressed blob in chunks over several volumes comes back too: their compressed bytes stay until the set is whole', async t => {
  const site = await openSite(t, { trust })
  const disk = randomBytes(6 * 1024 * 1024).map(byte => byte & 0x3f)
  const content = { ...files, disk }
  const { volumes, manifest } = await bundleOf({ folder: t.testdir(), signers, files: content, volumeBytes: 2_000_000, parity: 1 })
  t.ok(manifest.volumes.length > 2)
  t.ok(volumes.some(({ file }) => readFileSync(file).includes('chunks/')), 'it travels in chunks')
  await toTheEnd(t, site, await submitAll(site, volumes.filter((_volume, k) => k !== 1).map(({ file }) => file)), content)
})

await t.test('a blob with the very bytes of a compressed chunk of another one is no reason to refuse the set', async t => {
  const disk = randomBytes(6 * 1024 * 1024).map(byte => byte & 0x3f)
  const plain = await bundleOf({ folder: join(t.testdir({ plain: {}, set: {} }), 'plain'), signers, files: { disk } })
  const entries = execFileSync('tar', ['-tf', plain.volumes[0]!.file], { encoding: 'utf8' }).split('\n').filter(name => name.startsWith('chunks/'))
  const [first, last] = [entries[0], entries.at(-1)].map(name => execFileSync('tar', ['-xOf', plain.volumes[0]!.file, name!]))
  const content = { ...files, disk, first: first!, last: last! }
  const { volumes, manifest } = await bundleOf({ folder: join(t.testdirName, 'set'), signers, files: content, volumeBytes: 3_000_000, parity: 1 })
  t.ok(manifest.volumes.length > 1)
  for (const name of [entries[0]!, entries.at(-1)!]) for (const kind of ['chunks', 'blobs']) t.ok(volumes.some(({ file }) => readFileSync(file).includes(`${kind}/${name.slice(7)}`)), `the set has it in ${kind}`)
  for (const lost of [undefined, ...manifest.volumes.keys()]) {
    const site = await openSite(t, { trust })
    await toTheEnd(t, site, await submitAll(site, volumes.filter((_volume, k) => k !== (lost ?? manifest.volumes.length)).map(({ file }) => file)), content)
  }
})
