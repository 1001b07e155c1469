import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import t, { type Test } from 'tap'
import { silentLog } from '../../../appliance/core/log.ts'
import type { Appliance, Overrides } from '../../../appliance/main/inside/start.ts'
import type { ImportRecord } from '../../../bundles/format/import-record.ts'
import { initSite, planSite, startSite, type Site } from '../../appliance/main/site.ts'
import { watchRemovable } from '../../../importer/media/removable.ts'
import { bundleOf } from '../../support/bundles.ts'
import { FakeDevices, makeImage } from '../../support/media-images.ts'

t.setTimeout(240_000)

const MIB = 1024 * 1024
const EVERY = { everyMs: 50, settleMs: 150 }

type Bench = { site: Site; devices: FakeDevices; watched: string; start(media?: Overrides['media']): Promise<Appliance> }

/** An appliance with a slot for sticks that are images, and a watch folder. */
async function newBench(t: Test): Promise<Bench> {
  const folder = mkdtempSync(join(tmpdir(), 'drydock-plug-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const site = await planSite(folder)
  const watched = join(folder, 'watched')
  mkdirSync(watched)
  site.config.watchFolders = [watched]
  site.config.removableMedia = 'read'
  await initSite(site)
  mkdirSync(join(folder, 'machine'))
  const devices = new FakeDevices(join(folder, 'machine'))
  return { site, devices, watched, start: async media => await startSite(site.config, { media: { places: devices.places, ...EVERY, ...media } }) }
}

/** A bundle of the site, in a folder of its own, named as people name files. */
async function bundleIn(site: Site, sequence: number, more: { bytes?: number; volumeBytes?: number } = {}): Promise<{ folder: string; files: string[] }> {
  const work = join(site.folder, `built-${sequence}`)
  const large = Buffer.alloc(more.bytes ?? 1000)
  for (let at = 0; at < large.length; at += 4) large.writeUInt32LE((at * 2654435761 + sequence) >>> 0, at)
  const built = await bundleOf({ folder: work, files: { 'large.bin': large, 'hello.txt': `hello ${sequence}\n` }, signers: site.people.map(({ signer }) => signer), sequence, ...(more.volumeBytes === undefined ? {} : { volumeBytes: more.volumeBytes }) })
  const folder = join(work, 'named')
  mkdirSync(folder)
  const files = built.volumes.map(({ file }) => join(folder, `Prüfstand 工具 ${basename(file)}`))
  for (const [k, { file }] of built.volumes.entries()) renameSync(file, files[k]!)
  return { folder, files }
}

async function until<T>(what: string, look: () => T | undefined | false | Promise<T | undefined | false>): Promise<T> {
  for (let tries = 0; tries < 600; tries++) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    await new Promise(done => setTimeout(done, 50))
  }
  throw new Error(`waited in vain until ${what}`)
}

const importIn = async (appliance: Appliance, state: ImportRecord['state'], sequence?: number): Promise<ImportRecord> =>
  await until(`an import is ${state}`, () => appliance.services.imports.list().find(record => record.state === state && (sequence === undefined || record.sequence === sequence)))

/** Long enough for several looks: whatever would start again by itself would have. */
const severalLooks = async (): Promise<void> => await new Promise(done => setTimeout(done, 12 * EVERY.everyMs + 4 * EVERY.settleMs))

await t.test('a medium is waited for in the drive that it lies in: in another one it does not stand behind a drive that hangs', async t => {
  const { site, devices } = await newBench(t)
  const image = join(site.folder, 'stick')
  makeImage('FAT', (await bundleIn(site, 1)).folder, image)
  const sources: string[] = []
  const removable = watchRemovable({ places: devices.places, log: silentLog, everyMs: EVERY.everyMs, told: () => undefined, arrived: async ({ source }) => void sources.push(source) })
  t.teardown(async () => await removable.stop())
  const drives: string[] = []
  for (const name of ['sda', 'sdb']) {
    devices.plugIn(name, image)
    await until('it has arrived', () => sources.length > drives.length)
    drives.push(removable.placeOf(sources[0]!))
    devices.unplug(name)
    await until('it is gone', () => !removable.has(sources[0]!))
  }
  t.equal(sources[0], sources[1], 'the same medium')
  t.same(drives, ['sda', 'sdb'].map(name => `medium:${devices.path(name)}`))
  t.equal(removable.placeOf(sources[0]!), /^medium:[^/]*/.exec(sources[0]!)![0], 'in no drive, it is the medium')
})

await t.test('a stick that does not answer holds up no other one', async t => {
  const { site, devices, start } = await newBench(t)
  const [silent, image] = [join(site.folder, 'silent'), join(site.folder, 'stick')]
  // Nobody ever writes into it, so that whoever reads it waits.
  execFileSync('mkfifo', [silent])
  makeImage('FAT', (await bundleIn(site, 1)).folder, image)
  const appliance = await start()
  devices.plugIn('sda', silent)
  const stateOf = async (device: string): Promise<string | undefined> => (await appliance.services.media.list()).find(({ id }) => id === device)?.state
  await until('it is looked at', async () => (await stateOf('sda')) === 'reading')
  devices.plugIn('sdb', image)
  await importIn(appliance, 'verified')
  t.same([await stateOf('sda'), await stateOf('sdb')], ['reading', 'ready'])
  devices.unplug('sda')
  await until('it is gone', async () => (await stateOf('sda')) === undefined)
  const began = performance.now()
  await appliance.close()
  t.ok(performance.now() - began < 20_000, 'and a stop does not wait for it')
})

await t.test('a stick that is plugged in starts the preflight of its bundle, once, and two people bring it in', async t => {
  const { site, devices, start } = await newBench(t)
  const { folder } = await bundleIn(site, 1)
  const image = join(site.folder, 'stick')
  makeImage('FAT', folder, image, { label: 'COURIER' })
  const appliance = await start()
  t.same((await appliance.services.media.list()).filter(({ kind }) => kind === 'removable'), [])
  devices.plugIn('sdb', image)
  const waiting = await importIn(appliance, 'verified')
  t.match(waiting, { sequence: 1, submittedBy: 'drydock:media', preflight: { signers: [{ name: 'Ana Ruiz' }, { name: 'Jon Berg' }] } })
  t.match((await appliance.services.media.list()).find(({ kind }) => kind === 'removable'), {
    id: 'sdb', label: 'COURIER', fileSystem: 'FAT', serial: /^[0-9A-F]{4}-[0-9A-F]{4}$/, size: 64 * MIB, state: 'ready', why: null,
    bundles: [{ name: /^Prüfstand 工具.*\.drydock$/, state: 'waiting', import: waiting.id, sequence: 1, volume: 1 }],
  })
  t.match(appliance.services.events.list().map(({ type }) => type), ['media.inserted', 'import.found', 'import.verified'])

  await t.rejects(async () => await appliance.services.imports.approve(waiting.id, 'olga'), { code: 'DD-IMPORT-006' }, 'nobody answers for it yet')
  await appliance.services.imports.proceed(waiting.id, 'olga')
  const staged = await importIn(appliance, 'awaiting-approval')
  t.equal(staged.submittedBy, 'olga', 'who goes on after the preflight answers for it')
  await t.rejects(async () => await appliance.services.imports.approve(staged.id, 'olga'), { code: 'DD-IMPORT-007' }, 'and cannot approve it as well')
  await appliance.services.imports.approve(staged.id, 'anton')
  t.match(await importIn(appliance, 'imported'), { sequence: 1, generation: 1, submittedBy: 'olga' })

  devices.unplug('sdb')
  await until('the stick is gone', async () => (await appliance.services.media.list()).every(({ kind }) => kind !== 'removable'))
  devices.plugIn('sdc', image)
  await until('it is back', async () => (await appliance.services.media.list()).find(({ id, bundles }) => id === 'sdc' && bundles[0]?.state === 'done'))
  await appliance.close()
  const again = await start()
  await until('it is found after a restart', async () => (await again.services.media.list()).find(({ bundles }) => bundles[0]?.state === 'done'))
  await severalLooks()
  t.equal(again.services.imports.list().length, 1, 'plugged in again and after a restart it is still the one import')
  await again.close()
})

await t.test('a stick that is pulled in the middle fails its import in words that name it, and plugged in again it goes on by itself', async t => {
  const { site, devices, start } = await newBench(t)
  const { folder } = await bundleIn(site, 1, { bytes: 24 * MIB })
  const image = join(site.folder, 'stick')
  makeImage('exFAT', folder, image, { label: 'COURIER' })
  cpSync(image, join(site.folder, 'copy'))
  const appliance = await start()
  devices.plugIn('sdb', image)
  const { id } = await importIn(appliance, 'verified')

  truncateSync(image, 16 * MIB)
  await appliance.services.imports.proceed(id, 'olga')
  const failed = await importIn(appliance, 'failed')
  t.match(failed.error, {
    code: 'DD-MEDIA-001', retryable: true, hint: /^plug it in again: the import goes on by itself/,
    message: /^expected to read Prüfstand 工具.*\.drydock on the medium COURIER \(exFAT, [0-9A-Z-]+\) to its end, found the medium gone or failing after [\d.]+ MiB of 2[45]/i,
  })
  devices.unplug('sdb')
  await until('the stick is gone', async () => (await appliance.services.media.list()).every(({ kind }) => kind !== 'removable'))
  const operation = appliance.services.imports.resume(id, { actor: 'olga', idempotencyKey: 'by hand' })
  t.match(await until('it failed again', () => appliance.services.operations.list().find(one => one.id === operation.id && one.state === 'failed')), { error: { code: 'DD-MEDIA-002', message: /plugged in, found it gone$/ } })

  renameSync(join(site.folder, 'copy'), image)
  devices.plugIn('sdb', image)
  const staged = await importIn(appliance, 'awaiting-approval')
  t.equal(staged.id, id, 'nobody had to say anything: a person had gone on after this preflight already')
  await appliance.services.imports.approve(id, 'anton')
  t.match(await importIn(appliance, 'imported'), { id, error: null })
  await appliance.close()
})

await t.test('volumes of one set on several sticks in one slot join their import, and are asked for again when they are needed', async t => {
  const { site, devices, start } = await newBench(t)
  const { files } = await bundleIn(site, 1, { bytes: 3 * MIB, volumeBytes: 1.5 * MIB })
  t.ok(files.length >= 2, `${files.length} volumes`)
  const sticks = files.map((file, k) => {
    const folder = join(site.folder, `stick-${k}`)
    mkdirSync(folder)
    cpSync(file, join(folder, file.split('/').at(-1)!))
    const image = join(site.folder, `image-${k}`)
    makeImage('ext4', folder, image, { label: `DISC${k + 1}`, bytes: 16 * MIB })
    return image
  })
  const appliance = await start()
  const { imports } = appliance.services
  for (const [k, image] of sticks.entries()) {
    if (k > 0) devices.unplug('sdb')
    devices.plugIn('sdb', image)
    await until(`volume ${k + 1} has come`, () => imports.list().find(record => (k + 1 === sticks.length ? record.state === 'verified' : record.state === 'parked' && record.missing.length === sticks.length - k - 1)))
  }
  const { id } = imports.list()[0]!
  await imports.proceed(id, 'olga')
  for (const [k, image] of sticks.slice(0, -1).entries()) {
    const parked = await until('it waits for the others', () => imports.list().find(record => record.state === 'parked' && record.missing.length === sticks.length - 1 - k))
    if (k === 0) for (const line of parked.missing) t.match(line, /^volume \d of \d \(.*\): .*plugged in, found it gone/)
    devices.unplug('sdb')
    devices.plugIn('sdb', image)
  }
  t.match(await importIn(appliance, 'awaiting-approval'), { id })
  t.equal(imports.list().length, 1)
  await appliance.close()
})

await t.test('a bundle in a watch folder starts its preflight once, when it is whole; a bad one is refused once until it changes', async t => {
  const { site, watched, start } = await newBench(t)
  const [first, second] = [await bundleIn(site, 1), await bundleIn(site, 2)]
  const appliance = await start()
  const { imports } = appliance.services
  writeFileSync(join(watched, '.partial.drydock'), 'hidden')
  writeFileSync(join(watched, 'notes.txt'), 'not a bundle')
  mkdirSync(join(watched, 'folder.drydock'))
  cpSync(first.files[0]!, join(watched, 'first.part'))
  renameSync(join(watched, 'first.part'), join(watched, 'first.drydock'))
  t.match(await importIn(appliance, 'verified'), { sequence: 1, source: 'first.drydock', submittedBy: 'drydock:watch' })

  writeFileSync(join(watched, 'bad.drydock'), 'this is no bundle, however long one looks at it'.repeat(40))
  const bad = await until('the bad one is refused', () => imports.list().find(record => record.source === 'bad.drydock' && record.state === 'refused'))
  t.match(bad.error, { code: /^DD-BUNDLE-/ })
  await severalLooks()
  t.equal(imports.list().length, 2, 'neither is looked at again')
  await appliance.close()
  const again = await start()
  await severalLooks()
  t.equal(again.services.imports.list().length, 2, 'nor after a restart')
  cpSync(second.files[0]!, join(watched, 'bad.drydock'))
  const later = new Date(Date.now() + 60_000)
  utimesSync(join(watched, 'bad.drydock'), later, later)
  t.match(await importIn(again, 'verified', 2), { source: 'bad.drydock' }, 'the file that was bad is another one now')
  t.match((await again.services.media.list()).find(({ kind }) => kind === 'watch-folder'), { id: watched, bundles: [{ name: 'bad.drydock', state: 'waiting' }, { name: 'first.drydock', state: 'waiting' }] })
  await again.close()
})

await t.test('a file that is still being copied is waited for', async t => {
  const { site, watched, start } = await newBench(t)
  const { files } = await bundleIn(site, 1, { bytes: 2 * MIB })
  // Long beside what one part takes on a busy machine.
  const appliance = await start({ settleMs: 4_000 })
  const path = join(watched, 'slow.drydock')
  cpSync(files[0]!, join(site.folder, 'whole'))
  const { size } = statSync(files[0]!)
  for (let part = 1; part <= 8; part++) {
    cpSync(files[0]!, join(site.folder, 'part'))
    truncateSync(join(site.folder, 'part'), Math.floor((size * part) / 8))
    cpSync(join(site.folder, 'part'), path)
    await new Promise(done => setTimeout(done, 100))
    if (part < 8) t.same(appliance.services.imports.list(), [], `nothing at ${part}/8`)
  }
  t.match(await importIn(appliance, 'verified'), { sequence: 1 })
  t.equal(appliance.services.imports.list().length, 1)
  await appliance.close()
})
