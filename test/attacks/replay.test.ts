import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { digestFromHex } from '../../appliance/core/digest.ts'
import { openMarks } from '../../importer/verify/index.ts'
import { refused, stillImports, world } from './hostile.ts'

/** The machine may be busy with other tests. */
t.setTimeout(240_000)

await t.test('old bundles, bundles of others and bundles for others do not come in', async t => {
  const here = await world(t)
  const { site } = here
  const bytes = async (spec: Parameters<typeof here.good>[0]): Promise<Buffer> => readFileSync((await here.good(spec)).file)
  t.match(await site.importBundle((await here.good({ sequence: 5, files: { a: '5' } })).file), { state: 'imported' })

  await refused(t, here, await bytes({ sequence: 4 }), 'DD-IMPORT-003', 'sequence 4 after 5')
  await refused(t, here, await bytes({ sequence: 5, files: { a: 'another 5' } }), 'DD-IMPORT-003', 'another bundle with sequence 5')
  await refused(t, here, await bytes({ sequence: 6, site: 'site-b' }), 'DD-IMPORT-001', 'for another site')
  await refused(t, here, await bytes({ sequence: 6, workspace: 'workspace-2' }), 'DD-IMPORT-005', 'from a second workspace of the same stream')
  t.match(await site.importBundle((await here.good({ sequence: 6, site: '*', files: { b: '6' } })).file), { state: 'imported' }, 'for every site')
  t.match(await site.importBundle((await here.good({ sequence: 1, stream: 'constructor', files: { e: '1' } })).file), { state: 'imported' }, 'a stream with the name of a property')
  await refused(t, here, await bytes({ sequence: 1, stream: 'constructor', files: { e: '2' } }), 'DD-IMPORT-003', 'its mark counts too')
  t.match(await site.importBundle((await here.good({ sequence: 1, stream: 'other', files: { c: '1' } })).file), { state: 'imported' }, 'another stream counts by itself')

  for (const sequence of [2 ** 31, 2 ** 53 - 1]) {
    const { record } = await site.submit((await here.good({ sequence, files: { far: String(sequence) } })).file)
    t.match(record, { state: 'verified', approvalsNeeded: 2 }, `${sequence} is a jump: it waits for two people`)
    await site.imports.reject(record.id, 'a test', 'anton')
  }
  await t.test('an epoch only rises', async t => {
    const { record } = await site.submit((await here.good({ epoch: 1, sequence: 1, workspace: 'workspace-2', files: { d: 'epoch 1' } })).file)
    t.match(record, { state: 'verified', approvalsNeeded: 2 }, 'a new one needs two people')
    await site.imports.proceed(record.id, 'olga')
    await site.operations.settled(record.operation)
    await site.imports.approve(record.id, 'anton')
    await site.imports.approve(record.id, 'vera')
    t.match(await site.operations.settled(record.operation), { state: 'succeeded' })
    await refused(t, here, await bytes({ epoch: 0, sequence: 7 }), 'DD-IMPORT-004', 'the old epoch')
  })
  await stillImports(t, here, { epoch: 1, sequence: 2, workspace: 'workspace-2' })

  await t.test('marks never fall, and lost marks are no fresh start', async t => {
    const folder = t.testdir()
    copyFileSync(join(site.folder, 'marks', 'marks.json'), join(folder, 'marks.json'))
    const marks = await openMarks(folder)
    await marks.raise('demo', { workspace: 'x', epoch: 0, sequence: 3, manifest: digestFromHex('0'.repeat(64)) }, new Date(0))
    t.match((await openMarks(folder)).get('demo'), { epoch: 1, sequence: 2 })
    t.same((await openMarks(folder)).floor(), site.marks.floor())
    writeFileSync(join(folder, 'marks.json'), '')
    await t.rejects(openMarks(folder), { code: 'DD-IMPORT-015' })
    await t.rejects(openMarks(join(folder, 'none')), { code: 'DD-IMPORT-015' })
  })
})

await t.test('a clock before the last accepted bundle is a wrong clock, whatever was signed', async t => {
  // Ahead of the keys that are made next: a signature of the coming second must not be one of the future.
  let now = new Date(Date.now() + 3_600_000)
  const here = await world(t, { clock: { now: () => now } })
  await stillImports(t, here)
  const next = (await here.good({ sequence: 2, files: { next: 'x' } })).file
  now = new Date('1970-01-01T00:00:10Z')
  const wrong = await here.site.importBundle(next)
  t.match(wrong, { state: 'failed', error: { code: 'DD-TRUST-009', retryable: true, message: /1970-01-01/ } })
  now = new Date(Date.now() + 7_200_000)
  const { id } = here.site.imports.resume(wrong.id, { actor: 'olga', idempotencyKey: 'again' })
  t.match(await here.site.operations.settled(id), { state: 'waiting', waitingOn: 'proceed' }, 'with the clock corrected it goes on')
})

await t.test('media that change between two reads are found out', async t => {
  const here = await world(t)
  const { site } = here
  const first = await here.good({ files: { a: 'verified' } })
  const other = await here.good({ files: { a: 'another' } })
  const path = join(here.folder, 'stick.drydock')
  copyFileSync(first.file, path)
  const before = site.fingerprint()
  const { record } = await site.submit(path)
  copyFileSync(other.file, path)
  await site.imports.proceed(record.id, 'olga')
  t.match(await site.operations.settled(record.operation), { state: 'failed', error: { code: 'DD-IMPORT-017' } })
  t.equal(site.fingerprint(), before)
  copyFileSync(first.file, path)
  const { id } = site.imports.resume(record.id, { actor: 'olga', idempotencyKey: 'right stick' })
  t.match(await site.operations.settled(id), { state: 'waiting', waitingOn: 'approval' }, 'with the right stick it goes on where it stopped')
})
