import { createReadStream, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { digestOf, type Digest } from '../../../appliance/core/digest.ts'
import { readReceipt, type Built } from '../../../bundles/build/index.ts'
import type { BuildInput } from '../../../bundles/build/build.ts'
import { canonicalJson } from '../../../bundles/format/canonical-json.ts'
import { encodeManifest } from '../../../bundles/format/manifest-file.ts'
import type { Receipt } from '../../../bundles/format/receipt.ts'
import { bundleOf, fileItems, person, trustOf } from '../../support/bundles.ts'
import { openSite, takeIn, type Site } from '../../support/import-site.ts'

/** The machine may be busy with other tests. */
t.setTimeout(280_000)

const [ana, jon] = await Promise.all([person('Ana Ruiz'), person('Jon Berg')])
const trust = trustOf([ana, jon])
const signers = [ana.signer, jon.signer]
const MIB = 1024 * 1024

function image(length: number, seed: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, k) => ((k * seed) >> 9) ^ (k >> 3) ^ (Math.imul(k, seed * 2_654_435_761) >>> 27)))
}

const old = image(5 * MIB, 3)
const next = Buffer.concat([Buffer.from('put in at the front'), old])
next.fill(7, 2_000_000, 2_004_096)

/** What a bundle says that it stands on, as the sender's record has it. */
function on(built: Built, files: Record<string, Uint8Array | string>, folder: string, version = '1'): NonNullable<BuildInput['since']> {
  const items = fileItems(join(folder, 'blobs'), files, version)
  return { base: digestOf(encodeManifest(built.manifest)), baseSequence: built.manifest.sequence, inventory: new Set(Object.values(files).map(digestOf)), items: new Set(items.map(item => digestOf(canonicalJson(item)))) }
}

async function comesIn(t: Test, site: Site, file: string): Promise<void> {
  const record = await site.importBundle(file)
  t.match(record, { state: 'imported' }, record.error?.message ?? 'imported')
}

await t.test('a delta of chunks and copies makes the new blob from what is here, in one volume or many', async t => {
  const site = await openSite(t, { trust })
  const folder = t.testdir()
  const first = await bundleOf({ folder, files: { img: old, same: 'same' }, signers })
  await comesIn(t, site, first.file)
  const since = on(first, { img: old, same: 'same' }, folder)
  const delta = await bundleOf({ folder, items: fileItems(join(folder, 'blobs'), { img: next }, '2'), signers, sequence: 2, since })
  t.ok(delta.size < 100_000, `${delta.size} bytes for ${next.length}`)
  await comesIn(t, site, delta.file)
  t.ok((await site.store.blobs.read(digestOf(next))).equals(next))
  t.match(site.store.catalogue.current().find('file', 'img').map(({ version }) => version), ['1', '2'])

  const noise = Buffer.concat([image(3 * MIB, 5), next, randomBytes(2 * MIB), next.subarray(0, MIB)])
  const set = await bundleOf({ folder, items: fileItems(join(folder, 'blobs'), { img: noise }, '3'), signers, sequence: 3, since: { ...since, inventory: new Set([digestOf(next)]) }, volumeBytes: 1.2 * MIB })
  t.ok(set.volumes.length >= 2, `${set.volumes.length} volumes`)
  let id = ''
  for (const { file } of set.volumes.toReversed()) id = (await site.submit(file)).record.id
  await takeIn(t, site, id)
  t.ok((await site.store.blobs.read(digestOf(noise))).equals(noise))

  const cut = await bundleOf({ folder, items: fileItems(join(folder, 'blobs'), { img: next.subarray(0, 4_500_000) }, '4'), signers, sequence: 4, since: { ...since, inventory: new Set([digestOf(next)]) } })
  const copies = cut.manifest.totals.entries
  await comesIn(t, site, cut.file)
  t.ok(copies <= 1 && site.store.blobs.has(digestOf(next.subarray(0, 4_500_000))), 'a shorter one is nearly all copies')
  const { id: uploaded } = await site.imports.submitStream(createReadStream(cut.file), 'again.drydock', { actor: 'olga', idempotencyKey: 'again' })
  await site.operations.settled(uploaded)
  t.match(site.imports.get(uploaded), { state: 'refused', error: { code: 'DD-IMPORT-003' } })
})

await t.test('a blob that is mostly holes is one small chunk, again and again', async t => {
  const site = await openSite(t, { trust })
  const disk = Buffer.alloc(64 * MIB)
  old.copy(disk, 20 * MIB)
  const { file, size, manifest } = await bundleOf({ folder: t.testdir(), files: { disk }, signers })
  t.ok(size < old.length && manifest.totals.entries < 120, `${size} bytes, ${manifest.totals.entries} entries`)
  await comesIn(t, site, file)
  t.ok((await site.store.blobs.read(digestOf(disk))).equals(disk))
})

await t.test('a delta on a bundle that did not come in is parked, says what it stands on, and goes on when that comes', async t => {
  const site = await openSite(t, { trust })
  const folder = t.testdir()
  const files = { img: old, same: 'same' }
  const first = await bundleOf({ folder, files, signers })
  const delta = await bundleOf({ folder, items: [...fileItems(join(folder, 'blobs'), files), ...fileItems(join(folder, 'blobs'), { img: next }, '2')], signers, sequence: 2, since: on(first, files, folder) })
  t.match(delta.manifest, { base: digestOf(encodeManifest(first.manifest)), baseSequence: 1, omits: 2, totals: { items: { file: 1 } } })
  const before = site.fingerprint()
  const parked = await site.submit(delta.file)
  t.match(parked.record, { state: 'parked', missing: [/^sequence 1 of demo \(sha256:[0-9a-f]{64}\)$/, `file:img@2 ${digestOf(old)}`] })
  t.match(parked.record.preflight?.findings, [{ severity: 'warning', code: 'delta-base', text: /stands on sequence 1 .*nothing of this stream and epoch came in here: bring a full bundle first/ }])
  t.not(site.fingerprint(), '', before)
  await comesIn(t, site, first.file)
  await site.operations.settled(parked.operation.id)
  t.match(site.imports.get(parked.record.id), { state: 'verified', missing: [] })
  await site.imports.proceed(parked.record.id, 'olga')
  await site.operations.settled(parked.operation.id)
  await site.imports.approve(parked.record.id, 'anton')
  t.match(await site.operations.settled(parked.operation.id), { state: 'succeeded' })
  t.ok((await site.store.blobs.read(digestOf(next))).equals(next))
})

await t.test('a receiver that lost the base says so, and what to do', async t => {
  const site = await openSite(t, { trust })
  const folder = t.testdir()
  const files = { img: old }
  const first = await bundleOf({ folder, files, signers })
  const twin = await bundleOf({ folder: join(folder, 'twin'), files: { other: 'another bundle of that number' }, signers, workspace: 'workspace-1' })
  await comesIn(t, site, twin.file)
  const delta = await bundleOf({ folder, items: fileItems(join(folder, 'blobs'), { img: next }, '2'), signers, sequence: 2, since: on(first, files, folder) })
  const { record } = await site.submit(delta.file)
  t.match(record, { state: 'parked', preflight: { findings: [{ code: 'delta-base', text: /here the last is 1, but not all of what that brought is here: .*have the sender build without --since-bundle/ }] } })
  t.match(await site.imports.reject(record.id, 'the sender builds anew', 'anton'), { state: 'rejected' })
  const later = await bundleOf({ folder, items: fileItems(join(folder, 'blobs'), { img: next }, '2'), signers, sequence: 5, since: { ...on(first, files, folder), baseSequence: 4 } })
  t.match((await site.submit(later.file)).record.preflight?.findings, [{ text: /stands on sequence 4 .*the last that came in here is 1: bring sequence 4 first; or have the sender build with --since-bundle 1, or without/ }])
  const stranger = await bundleOf({ folder, items: fileItems(join(folder, 'blobs'), { img: next }, '2'), signers, sequence: 6, since: { base: digestOf('a receipt of another appliance'), inventory: new Set([digestOf(old)]) } })
  t.match((await site.submit(stranger.file)).record.preflight?.findings, [{ text: /stands on the receipt sha256:.*give the sender the newest receipt \(drydock receipt export\), or have it build without --since/ }])
  await comesIn(t, site, (await bundleOf({ folder, items: fileItems(join(folder, 'blobs'), { img: next }, '2'), signers, sequence: 7 })).file)
})

await t.test('the receipt of an import is what the next delta stands on: items that are here stay out of its index', async t => {
  const site = await openSite(t, { trust })
  const folder = t.testdir()
  const names = Array.from({ length: 300 }, (_, k) => `many/${k}`)
  const files = Object.fromEntries(names.map(name => [name, `content of ${name}`]))
  const record = await site.importBundle((await bundleOf({ folder, files, signers })).file)
  const { receipt, signature } = site.imports.receipt(record.id)
  const path = join(folder, 'receipt.json')
  writeFileSync(path, receipt)
  writeFileSync(`${path}.asc`, signature)
  t.equal((JSON.parse(receipt) as Receipt).items?.length, 300)
  const since = await readReceipt(path, site.appliance.key, new Date())
  const none = await bundleOf({ folder, files, signers, sequence: 2, since })
  t.match(none.manifest, { omits: 300, critical: ['omits'], index: [], totals: { entries: 0, items: {} } })
  t.ok(none.size < 8000, `${none.size} bytes when nothing changed`)
  await comesIn(t, site, none.file)
  const one = await bundleOf({ folder, files: { ...files, 'many/7': 'other' }, items: [...fileItems(join(folder, 'blobs'), files).filter(({ name }) => name !== 'many/7'), ...fileItems(join(folder, 'blobs'), { 'many/7': 'other' }, '2')], signers, sequence: 3, since })
  t.match(one.manifest, { omits: 299, totals: { entries: 1, items: { file: 1 } } })
  await comesIn(t, site, one.file)
  const digests = new Set<Digest>([...site.store.catalogue.current().items('file')].flatMap(({ blobs }) => blobs.map(({ digest }) => digest)))
  t.equal(digests.size, 301)
  const elsewhere = await openSite(t, { trust })
  t.match((await elsewhere.submit(one.file)).record, { state: 'parked', missing: [/^the receipt sha256:[0-9a-f]{64}, which is none of this appliance$/] }, 'although nothing else is missing')
})
