import { execFileSync, fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { digestOf } from '../../appliance/core/digest.ts'
import type { ImportRecord } from '../../bundles/format/import-record.ts'
import { bundleOf, person, trustOf } from '../support/bundles.ts'
import { openSite, type Site } from '../support/import-site.ts'
import type { Fault } from './bad-medium.ts'
import { noise } from './bundles.ts'

/** The machine may be busy with other tests. */
t.setTimeout(280_000)

const [ana, jon] = await Promise.all([person('Ana'), person('Jon')])
const folder = t.testdir()
const stick = join(folder, 'stick')
mkdirSync(stick)
const site = await openSite(t, { trust: trustOf([ana, jon]) })
let sequence = 0
const MIB = 1024 * 1024

async function next(): Promise<{ file: string; contents: Buffer[] }> {
  sequence++
  const files: Record<string, Buffer> = { [`large-${sequence}`]: noise(3 * MIB, sequence * 2 + 1) }
  for (let k = 0; k < 20; k++) files[`small-${sequence}-${k}`] = noise(5000, sequence * 100 + k)
  const { file } = await bundleOf({ folder: join(folder, `bundle-${sequence}`), files, signers: [ana.signer, jon.signer], sequence })
  return { file, contents: Object.values(files) }
}

/** The bundle on a stick with this fault while `during` runs. */
async function withStick<T>(file: string, fault: Fault, during: (path: string) => Promise<T>): Promise<T> {
  const server = fork(join(import.meta.dirname, 'bad-medium.ts'), [stick, file, JSON.stringify(fault)])
  await once(server, 'message')
  try {
    return await during(join(stick, 'bundle.drydock'))
  } finally {
    execFileSync('umount', [stick])
    if (server.exitCode === null) await once(server, 'exit')
  }
}

const holds = async (contents: readonly Buffer[]): Promise<boolean> => (await Promise.all(contents.map(bytes => site.store.blobs.read(digestOf(bytes)).then(read => read.equals(bytes), () => false)))).every(Boolean)

/** A good stick comes in the place of the bad one: a failed import goes on, a refused one is brought again. */
async function withGoodStick(t: Test, record: ImportRecord, file: string, contents: readonly Buffer[]): Promise<void> {
  const after = await withStick(file, { kind: 'none' }, async path => {
    if (record.state !== 'failed') return await site.importBundle(path)
    const { id } = site.imports.resume(record.id, { actor: 'olga', idempotencyKey: crypto.randomUUID() })
    return await toTheEnd(site, id, record.id)
  })
  t.match(after, { state: 'imported' }, `with a good stick it comes in: ${after.error?.message ?? ''}`)
  t.ok(await holds(contents), 'with every byte as it was signed')
  t.same(readdirSync(join(site.folder, 'staging')).filter(name => name !== 'uploads'), [], 'nothing stays staged')
}

async function toTheEnd(site: Site, operation: string, id: string): Promise<ImportRecord> {
  for (;;) {
    await site.operations.settled(operation)
    const record = site.imports.get(id)
    if (record.state === 'verified') await site.imports.proceed(id, 'olga')
    else if (record.state === 'awaiting-approval') await site.imports.approve(id, 'anton')
    else return record
  }
}

/** What each must be called; `imported` where the reader never comes back to what has changed. */
type Expected = readonly [Fault, ...string[]]
const at = <K extends 'unreadable' | 'changed-behind' | 'changed-ahead' | 'truncated' | 'grows'>(kind: K, ...shares: number[]): { kind: K; at: number }[] => shares.map(share => ({ kind, at: share }))
/** What says that bytes are not the ones that were signed, wherever they are met. */
const OTHER = ['DD-BUNDLE-003', 'DD-BUNDLE-007', 'DD-BUNDLE-008', 'DD-IMPORT-017', 'DD-TRUST-012']
const FAULTS: Record<string, Expected[]> = {
  'a stick with sectors that cannot be read': at('unreadable', 0, 0.02, 0.6, 0.97).map(fault => [fault, 'DD-BUNDLE-022']),
  'a stick that answers differently the second time': [[{ kind: 'second-time' }, ...OTHER]],
  'a file that is overwritten behind the reader': at('changed-behind', 0.02, 0.6).map(fault => [fault, 'imported', ...OTHER]),
  'a file that is overwritten before the reader': at('changed-ahead', 0.02, 0.6).map(fault => [fault, ...OTHER]),
  'a file that is cut off while it is read': at('truncated', 0.02, 0.6).map(fault => [fault, 'DD-BUNDLE-005']),
  'a file that grows while it is read': at('grows', 0.6).map(fault => [fault, 'DD-BUNDLE-006']),
  'a stick that is pulled': [1, 3, 6, 10, 20].map(reads => [{ kind: 'pulled', reads }, 'imported', 'DD-BUNDLE-022']),
  'a stick that flips a bit now and then': [2, 5].map(every => [{ kind: 'flips', every }, ...OTHER, 'DD-BUNDLE-006', 'DD-BUNDLE-010']),
}

for (const [what, list] of Object.entries(FAULTS)) {
  await t.test(`${what}: exactly what was signed comes in, or nothing`, async t => {
    for (const [fault, ...known] of list) {
      const { file, contents } = await next()
      const before = site.fingerprint()
      const record = await withStick(file, fault, path => site.importBundle(path))
      t.comment(`${JSON.stringify(fault)}: ${record.state} ${record.error?.code ?? ''} ${record.error?.message ?? ''}`)
      if (record.state === 'imported') t.ok(known.includes('imported') && (await holds(contents)), 'what came in is what was signed')
      else {
        t.ok(record.state === 'failed' || record.state === 'refused', `ends ${record.state}`)
        t.ok(known.includes(record.error?.code ?? ''), `with a reason: ${record.error?.code}`)
        t.equal(site.fingerprint(), before, 'and nothing else changed')
        await withGoodStick(t, record, file, contents)
      }
    }
  })
}

await t.test('a stick that neither answers nor fails is named after a while, others come in meanwhile, and it comes in when it is there again', async t => {
  for (const reads of [0, 1]) {
    const patient = await openSite(t, { trust: trustOf([ana, jon]), answerMs: 1_500 })
    const [contents, signers] = [{ a: noise(MIB, 3), b: noise(5000, 4) }, [ana.signer, jon.signer]]
    const { file } = await bundleOf({ folder: join(folder, `hangs-${reads}`), files: contents, signers })
    const other = await bundleOf({ folder: join(folder, `other-${reads}`), signers, stream: 'other' })
    const server = fork(join(import.meta.dirname, 'bad-medium.ts'), [stick, file, JSON.stringify({ kind: 'hangs', reads })])
    await once(server, 'message')
    const { id } = patient.imports.submitPath(join(stick, 'bundle.drydock'), { actor: 'olga', idempotencyKey: 'hangs' })
    t.match(await patient.importBundle(other.file), { state: 'imported' })
    t.match(await patient.operations.settled(id), { state: 'failed', error: { code: 'DD-MEDIA-006' } }, 'the kernel waits for it still')
    server.kill('SIGKILL')
    await once(server, 'exit')
    for (let tries = 0; tries < 50; tries++) {
      await new Promise(resolve => setTimeout(resolve, 100))
      if (spawnSync('umount', [stick]).status === 0) break
    }
    await withStick(file, { kind: 'none' }, async () => {
      const again = patient.imports.resume(id, { actor: 'olga', idempotencyKey: 'there again' })
      t.match(await toTheEnd(patient, again.id, id), { state: 'imported' })
    })
    for (const bytes of Object.values(contents)) t.ok((await patient.store.blobs.read(digestOf(bytes))).equals(bytes))
  }
})

await t.test('a file that is deleted after the preflight is asked for again; after it was staged nobody needs it', async t => {
  for (const when of ['verified', 'awaiting-approval'] as const) {
    const { file, contents } = await next()
    const away = `${file}.away`
    const { record } = await site.submit(file)
    if (when === 'awaiting-approval') {
      await site.imports.proceed(record.id, 'olga')
      await site.operations.settled(record.operation)
    }
    t.equal(site.imports.get(record.id).state, when)
    renameSync(file, away)
    let ended = await toTheEnd(site, record.operation, record.id)
    if (when === 'verified') {
      t.match(ended, { state: 'failed', error: { code: 'DD-IMPORT-013' } })
      renameSync(away, file)
      ended = await toTheEnd(site, site.imports.resume(record.id, { actor: 'olga', idempotencyKey: crypto.randomUUID() }).id, record.id)
    }
    t.match(ended, { state: 'imported' })
    t.ok(await holds(contents))
  }
})
