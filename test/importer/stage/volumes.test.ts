import { createReadStream, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import t, { type Test } from 'tap'
import { digestOf } from '../../../appliance/core/digest.ts'
import { bundleOf, person, trustOf } from '../../support/bundles.ts'
import { openSite, takeIn, type Site } from '../../support/import-site.ts'

/** The machine may be busy with other tests. */
t.setTimeout(280_000)

const [ana, jon] = await Promise.all([person('Ana Ruiz'), person('Jon Berg')])
const trust = trustOf([ana, jon])
const signers = [ana.signer, jon.signer]
const VOLUME = 200 * 1024
const large = Buffer.from(Array.from({ length: 330_000 }, (_, k) => (k * 7919 + (k >> 8)) % 251))
const zeros = Buffer.alloc(130_000)
const files = { a: 'first\n', large, zeros, rest: Buffer.alloc(40_000, 'r') }

async function set(t: Test, more: object = {}): Promise<string[]> {
  const { volumes } = await bundleOf({ folder: t.testdir(), signers, files, volumeBytes: VOLUME, ...more })
  t.ok(volumes.length >= 4, `${volumes.length} volumes`)
  return volumes.map(({ file }) => file)
}

async function toTheEnd(t: Test, site: Site, id: string): Promise<void> {
  await takeIn(t, site, id)
  for (const content of Object.values(files)) t.ok((await site.store.blobs.read(digestOf(content))).equals(Buffer.from(content)))
  t.ok([...site.store.catalogue.current().items('file')].every(item => item.blobs.every(blob => blob.parts === undefined)), 'how it travelled is forgotten')
}

await t.test('volumes come in any order, by path or upload, under any name; the import is parked until all are here', async t => {
  const site = await openSite(t, { trust })
  const paths = (await set(t)).toReversed()
  renameSync(paths[0]!, `${paths[0]!}.tmp`)
  renameSync(paths[1]!, paths[0]!)
  renameSync(`${paths[0]!}.tmp`, paths[1]!)
  const first = await site.submit(paths[0]!)
  t.match(first.record, { state: 'parked', sequence: 1 })
  t.equal(first.record.missing.length, paths.length - 1)
  t.match(first.record.missing[0], /^volume 1 of \d+ \(demo-0001\.v1-of-\d+\.drydock\)$/)
  await t.rejects(site.imports.proceed(first.record.id, 'olga'), { code: 'DD-IMPORT-006' })
  const before = site.fingerprint()
  t.match((await site.submit(paths[0]!)).record, { id: first.record.id }, 'the same path once more changes nothing')
  t.equal(site.fingerprint(), before)
  for (const [k, path] of paths.slice(1).entries()) {
    const { id } = await site.imports.submitStream(createReadStream(path), basename(path), { actor: 'olga', idempotencyKey: `volume-${k}` })
    t.match(await site.operations.settled(id), { state: 'succeeded', result: { import: first.record.id, joined: true } })
    t.equal(site.imports.get(id).id, first.record.id, 'both ids name the one import')
  }
  t.equal(site.imports.list().length, 1)
  await toTheEnd(t, site, first.record.id)
  t.same(readdirSync(join(site.folder, 'staging', 'uploads')), [])
  t.match((await site.submit(paths[2]!)).record, { state: 'refused', error: { code: 'DD-IMPORT-003' } })
})

await t.test('a damaged volume is waited for again, and what the others brought stays', async t => {
  const site = await openSite(t, { trust })
  const paths = await set(t)
  const good = readFileSync(paths[1]!)
  const bad = Buffer.from(good)
  bad[bad.length - 5000]! ^= 1
  writeFileSync(paths[1]!, bad)
  let id = ''
  for (const path of paths) id = (await site.submit(path)).record.id
  const { operation } = site.imports.get(id)
  await site.operations.settled(operation)
  await site.imports.proceed(id, 'olga')
  t.match(await site.operations.settled(operation), { state: 'waiting', waitingOn: 'again-1' })
  t.match(site.imports.get(id), { state: 'parked', missing: [/^volume 2 of \d+ \(.*\): what came was not good: expected/] })
  t.equal(site.store.catalogue.current().generation, 0)
  for (const path of [paths[0]!, ...paths.slice(2)]) rmSync(path)
  writeFileSync(paths[1]!, good)
  await site.submit(paths[1]!)
  t.match(await site.operations.settled(operation), { state: 'waiting', waitingOn: 'approval' }, 'the other media were not read again')
  await site.imports.approve(id, 'anton')
  t.match(await site.operations.settled(operation), { state: 'succeeded' })
  t.ok((await site.store.blobs.read(digestOf(large))).equals(large))
})

await t.test('a parked import can be rejected and leaves nothing', async t => {
  const site = await openSite(t, { trust })
  const paths = await set(t)
  const before = site.fingerprint()
  const { record } = await site.submit(paths[1]!)
  t.match(await site.imports.reject(record.id, 'the disc is lost', 'anton'), { state: 'rejected' })
  t.equal(site.fingerprint(), before)
  let id = ''
  for (const path of paths) id = (await site.submit(path)).record.id
  await toTheEnd(t, site, id)
})

await t.test('one volume with pieces needs nobody to wait', async t => {
  const site = await openSite(t, { trust })
  const { file } = await bundleOf({ folder: t.testdir(), signers, files, volumeBytes: 1_000_000, sequence: 1 })
  t.match(await site.importBundle(file), { state: 'imported', missing: [] })
  t.ok((await site.store.blobs.read(digestOf(zeros))).equals(zeros))
})
