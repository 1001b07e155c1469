import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { digestOf } from '../../../appliance/core/digest.ts'
import { DrydockError } from '../../../appliance/core/error.ts'
import type { OnJournal } from '../../../appliance/operations/engine.ts'
import { openPlainFile, type OpenMedia } from '../../../importer/unpack/index.ts'
import { bundleOf, person } from '../../support/bundles.ts'
import { recallBundle, recallOf, trustBundle, trustFor } from '../../support/control.ts'
import { openSite, type Site } from '../../support/import-site.ts'

/** The machine may be busy with other tests. */
t.setTimeout(280_000)

const [ana, rex] = await Promise.all([person('Ana'), person('Rex')])
const trust = trustFor(1, { root: [ana], release: [ana], recall: [rex] })
const release = [ana.signer]
const BAD = 'bad firmware'

/** Stops the first operation that has done the effect of this step, as a long one would take, until it is let go. */
function heldAt(step: string): { onJournal: OnJournal; held: Promise<string>; letGo(): void } {
  const held = Promise.withResolvers<string>()
  const gone = Promise.withResolvers<void>()
  let first: string | undefined
  return {
    held: held.promise,
    letGo: () => gone.resolve(),
    async onJournal({ operation, name, phase }, when) {
      if (name !== step || phase !== 'effect' || when !== 'after' || (first ??= operation) !== operation) return
      held.resolve(operation)
      await gone.promise
    },
  }
}

/** An import of content that is held in this step, gone on with by olga. */
async function underWay(site: Site, file: string, held: Promise<string>): Promise<string> {
  const { record } = await site.submit(file)
  await site.imports.proceed(record.id, 'olga')
  await held
  return record.id
}

async function recalled(t: Pick<Test, 'match'>, site: Site, folder: string): Promise<void> {
  const { operation, record } = await site.submit((await recallBundle(join(folder, 'recall'), [recallOf({ id: 'r-1', digests: [digestOf(BAD)] })], [rex.signer])).file)
  await site.imports.approve(record.id, 'anton')
  t.match(await site.operations.settled(operation.id), { state: 'succeeded' })
}

/** A set of volumes whose second one is damaged, and a good copy of that. */
async function setWithBadSecond(folder: string): Promise<{ files: Record<string, string | Buffer>; one: string; two: string; better: string }> {
  const files = { a: 'first', large: Buffer.from(Array.from({ length: 150_000 }, (_, k) => (k * 7919 + (k >> 8)) % 251)), c: Buffer.alloc(60_000, 'c') }
  const { volumes } = await bundleOf({ folder, signers: release, files, volumeBytes: 250 * 1024 })
  const [one = '', two = ''] = volumes.map(({ file }) => file)
  const better = join(folder, 'better.drydock')
  const bytes = readFileSync(two)
  writeFileSync(better, bytes)
  bytes[bytes.length - 5000]! ^= 1
  writeFileSync(two, bytes)
  return { files, one, two, better }
}

/** Approved, it is served with every byte. */
async function cameIn(t: Pick<Test, 'match' | 'ok'>, site: Site, id: string, files: Record<string, string | Buffer>): Promise<void> {
  const { operation } = site.imports.get(id)
  t.match(await site.operations.settled(operation), { waitingOn: 'approval' })
  await site.imports.approve(id, 'anton')
  t.match(await site.operations.settled(operation), { state: 'succeeded' })
  for (const content of Object.values(files)) t.ok((await site.store.blobs.read(digestOf(content))).equals(Buffer.from(content)))
}

await t.test('a recall takes effect while another import is being staged, which is then quarantined', async t => {
  const { onJournal, held, letGo } = heldAt('stage')
  const site = await openSite(t, { trust, onJournal })
  const folder = t.testdir()
  const id = await underWay(site, (await bundleOf({ folder, signers: release, files: { flash: BAD } })).file, held)
  t.match(site.imports.get(id), { state: 'staging' })
  await recalled(t, site, folder)
  t.match(site.withdrawn.byDigest(digestOf(BAD)), { id: 'r-1' })
  t.match(site.imports.get(id), { state: 'staging' }, 'and the other one is staged still')
  letGo()
  t.match(await site.operations.settled(site.imports.get(id).operation), { waitingOn: 'quarantine' })
  t.match(site.imports.get(id).preflight?.findings, [{ severity: 'blocker', code: 'recalled' }])
})

await t.test('who rejects an import that stands behind another hears at once what to do, and does not wait for hours', async t => {
  const { onJournal, held, letGo } = heldAt('stage')
  const site = await openSite(t, { trust, onJournal })
  const folder = t.testdir({ one: {}, two: {} })
  const id = await underWay(site, (await bundleOf({ folder: join(folder, 'one'), signers: release, files: { one: 'one' } })).file, held)
  const { record } = await site.submit((await bundleOf({ folder: join(folder, 'two'), signers: release, files: { two: 'two' }, stream: 'second' })).file)
  await site.imports.proceed(record.id, 'olga')
  while (site.operations.get(record.operation)?.state !== 'queued') await new Promise(done => setTimeout(done, 5))
  await t.rejects(site.imports.reject(record.id, 'changed my mind', 'olga'), { code: 'DD-IMPORT-006', message: /waiting for its turn/, hint: `stop it before it begins: drydock operation cancel ${record.operation}` })
  site.operations.cancel(record.operation, 'olga')
  letGo()
  t.match(await site.operations.settled(site.imports.get(id).operation), { waitingOn: 'approval' }, 'the one before it goes on')
  t.match(await site.operations.settled(record.operation), { state: 'cancelled' })
  t.match(site.imports.get(record.id), { state: 'cancelled' })
})

await t.test('a recall takes effect while another import is being scanned, whose promotion then refuses', async t => {
  const { onJournal, held, letGo } = heldAt('scan')
  const site = await openSite(t, { trust, onJournal })
  const folder = t.testdir()
  const id = await underWay(site, (await bundleOf({ folder, signers: release, files: { flash: BAD } })).file, held)
  await recalled(t, site, folder)
  letGo()
  t.match(await site.operations.settled(await held), { waitingOn: 'approval' }, 'the scan was before it')
  await site.imports.approve(id, 'anton')
  await site.operations.settled(await held)
  t.match(site.imports.get(id), { state: 'refused', error: { code: 'DD-IMPORT-019', message: /found file:flash@1, withdrawn by recall r-1/ } })
  t.equal(site.store.catalogue.current().generation, 0)
  t.notOk(site.store.blobs.has(digestOf(BAD)))
})

await t.test('a trust that revokes the signer takes effect while the bundle is staged, whose promotion then refuses', async t => {
  const [root, next] = [rex, await person('Nia')]
  const { onJournal, held, letGo } = heldAt('stage')
  const site = await openSite(t, { trust: trustFor(1, { root: [root], release: [ana], recall: [root] }), onJournal })
  const folder = t.testdir()
  const id = await underWay(site, (await bundleOf({ folder, signers: release })).file, held)
  const { operation, record } = await site.submit((await trustBundle(join(folder, 'trust'), trustFor(2, { root: [root], release: [next], recall: [root] }, {}, [ana]), [root.signer])).file)
  for (const who of ['anton', 'berta']) await site.imports.approve(record.id, who)
  t.match(await site.operations.settled(operation.id), { state: 'succeeded' })
  letGo()
  await site.operations.settled(await held)
  t.match(site.imports.get(id), { state: 'refused', error: { code: 'DD-TRUST-007' } })
})

await t.test('another bundle is judged while one is staged; its own payload stands behind, and each comes in', async t => {
  const { onJournal, held, letGo } = heldAt('stage')
  const site = await openSite(t, { trust, onJournal })
  const folder = t.testdir()
  const first = await underWay(site, (await bundleOf({ folder: join(folder, 'a'), signers: release, files: { a: 'of the first', shared: 'in both' } })).file, held)
  const other = await site.submit((await bundleOf({ folder: join(folder, 'b'), signers: release, stream: 'tools', files: { b: 'of the other', shared: 'in both' } })).file)
  t.match(other.operation, { state: 'waiting', waitingOn: 'proceed' })
  await site.imports.proceed(other.record.id, 'olga')
  await new Promise(resolve => setTimeout(resolve, 100))
  t.match([site.imports.get(first), site.imports.get(other.record.id)], [{ state: 'staging' }, { state: 'verified' }])
  t.match(site.operations.get(other.operation.id), { state: 'queued' })
  letGo()
  for (const id of [first, other.record.id]) {
    const { operation } = site.imports.get(id)
    t.match(await site.operations.settled(operation), { waitingOn: 'approval' })
    await site.imports.approve(id, 'anton')
    t.match(await site.operations.settled(operation), { state: 'succeeded' })
  }
  t.same(['of the first', 'of the other', 'in both'].map(text => site.store.blobs.has(digestOf(text))), [true, true, true])
  t.equal(site.store.catalogue.current().generation, 2)
})

await t.test('a better copy of a volume that comes while its set waits for its turn is taken, too', async t => {
  const { onJournal, held, letGo } = heldAt('stage')
  const site = await openSite(t, { trust, onJournal })
  const folder = t.testdir()
  await underWay(site, (await bundleOf({ folder: join(folder, 'before'), signers: release, files: { before: 'it' }, stream: 'tools' })).file, held)
  const { files, one, two, better } = await setWithBadSecond(join(folder, 'set'))
  const { record } = await site.submit(one)
  await site.submit(two)
  await site.operations.settled(record.operation)
  const early = await site.submit(better)
  t.match(early.record, { error: { code: 'DD-IMPORT-018' } }, 'while nobody went on it has that volume')
  await site.imports.proceed(record.id, 'olga')
  const copy = site.imports.submitPath(better, { actor: 'olga', idempotencyKey: 'better, again' })
  await new Promise(resolve => setTimeout(resolve, 200))
  t.match([site.imports.get(record.id).state, site.operations.get(record.operation)?.state, site.operations.get(copy.id)?.state], ['verified', 'queued', 'queued'])
  letGo()
  t.match(await site.operations.settled(copy.id), { state: 'succeeded', result: { import: record.id, joined: true } })
  await cameIn(t, site, record.id, files)
})

/** One source says nothing from so many bytes on until it is pulled; `later` it may be as good as any. */
function hanging(isBad: (source: string) => boolean, from: number): { openMedia: OpenMedia; opened: () => number; pull(): void; later: { good: boolean } } {
  const [pulled, later] = [Promise.withResolvers<never>(), { good: false }]
  pulled.promise.catch(() => undefined)
  let opened = 0
  return {
    later,
    opened: () => opened,
    pull: () => pulled.reject(new DrydockError('DD-BUNDLE-022', 'expected to read it, found it pulled', 'plug it in')),
    async openMedia(source) {
      const media = await openPlainFile(source)
      if (later.good || !isBad(source)) return media
      opened++
      let given = 0
      return {
        ...media,
        head: {
          async read(into) {
            if (given >= from) return await pulled.promise
            const length = await media.head.read(into.subarray(0, from - given))
            given += length
            return length
          },
        },
        async close() {
          await pulled.promise.catch(() => undefined)
          await media.close()
        },
      }
    },
  }
}

await t.test('a stick that says nothing holds up nobody: a recall from elsewhere takes effect meanwhile', async t => {
  for (const from of [0, 700]) {
    const stick = hanging(source => source.includes('/stick/'), from)
    const site = await openSite(t, { trust, openMedia: stick.openMedia, answerMs: 3_000, placeOf: dirname })
    const folder = t.testdir()
    const files = { flash: 'other firmware' }
    const { file } = await bundleOf({ folder: join(folder, 'stick'), signers: release, files })
    const silent = site.imports.submitPath(file, { actor: 'olga', idempotencyKey: 'the stick' })
    // From the same stick.
    const behind = site.imports.submitPath(file, { actor: 'olga', idempotencyKey: 'the stick again' })
    await new Promise(resolve => setTimeout(resolve, 100))
    t.match([site.imports.get(silent.id).state, site.operations.get(behind.id)?.state], ['verifying', 'queued'])
    await recalled(t, site, folder)
    t.match([site.operations.get(silent.id)?.state, site.operations.get(behind.id)?.state], ['running', 'queued'], 'and the stick hangs still')
    t.match(await site.operations.settled(silent.id), { state: 'failed', error: { code: 'DD-MEDIA-006', message: /read, found nothing for 3 s$/, hint: /pull it and plug it in again/ } })
    t.match(site.imports.get(silent.id), { state: 'failed' })
    t.match(await site.operations.settled(behind.id), { state: 'failed', error: { code: 'DD-MEDIA-006', message: /not answered to an earlier read/ } })
    t.equal(stick.opened(), 1, 'it is not tried again while a thread waits for it')
    stick.pull()
    stick.later.good = true
    await new Promise(resolve => setTimeout(resolve, 50))
    const { id } = site.imports.resume(silent.id, { actor: 'olga', idempotencyKey: 'plugged in again' })
    t.match(await site.operations.settled(id), { state: 'waiting', waitingOn: 'proceed' })
    await site.imports.proceed(silent.id, 'olga')
    await cameIn(t, site, silent.id, files)
  }
})

await t.test('a stick that fails at first and then says nothing holds up nobody either', async t => {
  const stick = hanging(source => source.includes('/stick/'), 0)
  let failed = false
  const site = await openSite(t, { trust, answerMs: 3_000, placeOf: dirname, openMedia: async source => {
    if (!source.includes('/stick/') || failed) return await stick.openMedia(source)
    failed = true
    throw new DrydockError('DD-BUNDLE-022', 'expected to read it, found a bad sector', 'another copy')
  } })
  const folder = t.testdir()
  const { id } = site.imports.submitPath((await bundleOf({ folder: join(folder, 'stick'), signers: release })).file, { actor: 'olga', idempotencyKey: 'the stick' })
  while (stick.opened() === 0) await new Promise(resolve => setTimeout(resolve, 5))
  await recalled(t, site, folder)
  t.match(site.operations.get(id), { state: 'running' }, 'and the stick hangs still')
  t.match(await site.operations.settled(id), { state: 'failed', error: { code: 'DD-MEDIA-006' } })
  stick.pull()
})

await t.test('an import that waits for a stick which says nothing can be cancelled', async t => {
  const stick = hanging(source => source.includes('/stick/'), 0)
  const site = await openSite(t, { trust, openMedia: stick.openMedia, placeOf: dirname })
  const { file } = await bundleOf({ folder: join(t.testdir(), 'stick'), signers: release })
  const { id } = site.imports.submitPath(file, { actor: 'olga', idempotencyKey: 'the stick' })
  while (stick.opened() === 0) await new Promise(resolve => setTimeout(resolve, 10))
  site.operations.cancel(id, 'olga')
  t.match(await site.operations.settled(id), { state: 'cancelled' })
  t.match(site.imports.get(id), { state: 'cancelled' })
  stick.pull()
})

await t.test('after a cancelled one the next from the same stick waits until that answers, and comes in', async t => {
  const stick = hanging(source => source.includes('/stick/'), 0)
  const site = await openSite(t, { trust, openMedia: stick.openMedia, placeOf: dirname })
  const files = { a: 'only slow' }
  const { file } = await bundleOf({ folder: join(t.testdir(), 'stick'), signers: release, files })
  const first = site.imports.submitPath(file, { actor: 'olga', idempotencyKey: 'cancelled' })
  const second = site.imports.submitPath(file, { actor: 'olga', idempotencyKey: 'the next' })
  while (stick.opened() === 0) await new Promise(resolve => setTimeout(resolve, 10))
  site.operations.cancel(first.id, 'olga')
  t.match(await site.operations.settled(first.id), { state: 'cancelled' })
  await new Promise(resolve => setTimeout(resolve, 200))
  t.match(site.operations.get(second.id), { state: 'running' })
  stick.later.good = true
  stick.pull()
  t.match(await site.operations.settled(second.id), { state: 'waiting', waitingOn: 'proceed' })
  await site.imports.proceed(second.id, 'olga')
  await cameIn(t, site, second.id, files)
})

await t.test('a path behind which nothing answers fails its import after a while, and can be cancelled before', async t => {
  const site = await openSite(t, {
    trust, answerMs: 1_000, placeOf: dirname,
    around: steps => ({ ...steps, resolved: async (source, signal, resolve) => await steps.resolved(source, signal, source.includes('/stick/') ? async () => await new Promise(() => undefined) : resolve) }),
  })
  const folder = t.testdir()
  const { file } = await bundleOf({ folder: join(folder, 'stick'), signers: release })
  const silent = site.imports.submitPath(file, { actor: 'olga', idempotencyKey: 'silent' })
  await recalled(t, site, folder)
  t.match(await site.operations.settled(silent.id), { state: 'failed', error: { code: 'DD-MEDIA-006' } })
  t.match(site.imports.get(silent.id), { state: 'failed' })
  const { id } = site.imports.resume(silent.id, { actor: 'olga', idempotencyKey: 'again' })
  while (site.operations.get(id)?.state !== 'running') await new Promise(resolve => setTimeout(resolve, 5))
  site.operations.cancel(id, 'olga')
  t.match(await site.operations.settled(id), { state: 'cancelled' })
})

await t.test('a bundle is judged in line: the trust that it needs may be the one before it', async t => {
  const [root, next] = [rex, await person('Nia')]
  const { onJournal, held, letGo } = heldAt('promote')
  const site = await openSite(t, { trust: trustFor(1, { root: [root], release: [ana], recall: [root] }), onJournal: async (record, when) => {
    // Before its effect, so that the old trust is in force still.
    if (when === 'before') await onJournal(record, 'after')
  } })
  const folder = t.testdir()
  const { operation, record } = await site.submit((await trustBundle(join(folder, 'trust'), trustFor(2, { root: [root], release: [next], recall: [root] }, {}, [ana]), [root.signer])).file)
  for (const who of ['anton', 'berta']) await site.imports.approve(record.id, who)
  await held
  const { id } = site.imports.submitPath((await bundleOf({ folder, signers: [next.signer] })).file, { actor: 'olga', idempotencyKey: 'signed by the new one' })
  while (site.operations.get(id)?.state !== 'queued' || site.imports.get(id).state !== 'verifying') await new Promise(resolve => setTimeout(resolve, 5))
  letGo()
  t.match(await site.operations.settled(operation.id), { state: 'succeeded' })
  t.match(await site.operations.settled(id), { state: 'waiting', waitingOn: 'proceed' })
})

await t.test('a resume waits until the run that failed has emptied the staging folder', async t => {
  const [failing, gone] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  let isGood = false
  const pulledOnce: OpenMedia = async source => {
    const media = await openPlainFile(source)
    return { ...media, payload: async offset => (isGood ? await media.payload(offset) : Promise.reject(new DrydockError('DD-MEDIA-001', 'expected a stick, found it pulled', 'plug it in'))) }
  }
  const site = await openSite(t, {
    trust, openMedia: pulledOnce,
    around: steps => ({
      ...steps,
      async clean(id) {
        failing.resolve()
        await gone.promise
        await steps.clean(id)
      },
    }),
  })
  const files = { a: 'first' }
  const { record } = await site.submit((await bundleOf({ folder: t.testdir(), signers: release, files })).file)
  await site.imports.proceed(record.id, 'olga')
  await failing.promise
  t.match([site.imports.get(record.id).state, site.operations.get(record.operation)?.state], ['failed', 'running'])
  isGood = true
  const { id } = site.imports.resume(record.id, { actor: 'olga', idempotencyKey: 'resumed' })
  await new Promise(resolve => setTimeout(resolve, 200))
  t.match(site.imports.get(record.id), { state: 'failed', operation: record.operation }, 'it has not begun')
  gone.resolve()
  t.match(await site.operations.settled(id), { state: 'waiting', waitingOn: 'approval' })
  await cameIn(t, site, record.id, files)
})

await t.test('of two who resume at once the first takes it up, and the second takes nothing away from it', async t => {
  const gone = Promise.withResolvers<void>()
  let isGood = false
  const pulledOnce: OpenMedia = async source => {
    const media = await openPlainFile(source)
    return {
      ...media,
      async payload(offset) {
        if (!isGood) throw new DrydockError('DD-MEDIA-001', 'expected a stick, found it pulled', 'plug it in')
        await gone.promise
        return await media.payload(offset)
      },
    }
  }
  const site = await openSite(t, { trust, openMedia: pulledOnce })
  const files = { a: 'first' }
  const { record } = await site.submit((await bundleOf({ folder: t.testdir(), signers: release, files })).file)
  await site.imports.proceed(record.id, 'olga')
  await site.operations.settled(record.operation)
  isGood = true
  const [first, second] = ['olga', 'paul'].map(actor => site.imports.resume(record.id, { actor, idempotencyKey: 'resumed' }))
  t.match(await site.operations.settled(second!.id), { state: 'failed', error: { code: 'DD-IMPORT-006', message: /found import demo-1 \w+: it was taken up already/ } })
  t.match(site.imports.get(record.id), { operation: first!.id, error: null })
  gone.resolve()
  t.match(await site.operations.settled(first!.id), { state: 'waiting', waitingOn: 'approval' })
  await cameIn(t, site, record.id, files)
})

await t.test('a better copy of a volume that comes while its set is staged is taken, and not turned away for the bad one', async t => {
  const [held, gone] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const slow: OpenMedia = async source => {
    const media = await openPlainFile(source)
    return {
      ...media,
      async payload(offset) {
        held.resolve()
        await gone.promise
        return await media.payload(offset)
      },
    }
  }
  const site = await openSite(t, { trust, openMedia: slow })
  const folder = t.testdir()
  const { files, one, two, better } = await setWithBadSecond(folder)
  const { record } = await site.submit(one)
  await site.submit(two)
  await site.operations.settled(record.operation)
  await site.imports.proceed(record.id, 'olga')
  await held.promise
  t.match(site.imports.get(record.id), { state: 'staging' })
  const copy = site.imports.submitPath(better, { actor: 'olga', idempotencyKey: 'better' })
  await new Promise(resolve => setTimeout(resolve, 200))
  t.match(site.operations.get(copy.id), { state: 'queued' }, 'it stands behind its set')
  gone.resolve()
  t.match(await site.operations.settled(copy.id), { state: 'succeeded', result: { import: record.id, joined: true } })
  await cameIn(t, site, record.id, files)
})
