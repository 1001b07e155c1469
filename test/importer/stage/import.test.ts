import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { digestOf } from '../../../appliance/core/digest.ts'
import { verifyDetached } from '../../../bundles/openpgp/index.ts'
import { bundleOf, fileItems, person, trustOf } from '../../support/bundles.ts'
import { openSite } from '../../support/import-site.ts'

/** The machine may be busy with other tests. */
t.setTimeout(240_000)

const ana = await person('Ana Ruiz')
const jon = await person('Jon Berg')
const trust = trustOf([ana, jon])
const signers = [ana.signer, jon.signer]

await t.test('a signed bundle stops at the preflight, goes on, is approved by another person, and is served with a receipt', async t => {
  const site = await openSite(t, { trust })
  const built = await bundleOf({ folder: t.testdir(), signers, files: { 'hello.txt': 'hello\n', 'docs/second.txt': 'second\n' } })

  const { operation, record } = await site.submit(built.file)
  t.match(operation, { state: 'waiting', waitingOn: 'proceed' })
  t.match(record, { state: 'verified', sequence: 1, approvalsNeeded: 1 })
  t.match(record.preflight, { site: 'site-a', sequence: 1, lastSequence: 0, role: 'release', threshold: 2, adds: [{ kind: 'file', count: 2 }], changes: [], newBytes: 13, presentBytes: 0, size: 13 })
  t.same(record.preflight?.signers.map(({ name }) => name), ['Ana Ruiz', 'Jon Berg'])
  t.same(readdirSync(join(site.folder, 'staging', record.id)), ['head'], 'no payload is stored before somebody goes on')

  await site.imports.proceed(record.id, 'olga')
  t.match(await site.operations.settled(operation.id), { state: 'waiting', waitingOn: 'approval' })
  t.equal(site.store.catalogue.current().generation, 0, 'staging publishes nothing')
  await t.rejects(site.imports.approve(record.id, 'olga'), { code: 'DD-IMPORT-007' }, 'who submitted it may not approve it')
  t.throws(() => site.imports.receipt('1'), { code: 'DD-IMPORT-014' })

  await site.imports.approve('1', 'anton')
  t.match(await site.operations.settled(operation.id), { state: 'succeeded', result: { generation: 1 } })
  t.match(site.imports.get('1'), { state: 'imported', generation: 1, approvals: [{ user: 'anton' }] })
  t.equal((await site.store.blobs.read(digestOf('second\n'))).toString(), 'second\n')
  t.same([...site.store.catalogue.current().items('file')].map(({ name }) => name).toSorted(), ['docs/second.txt', 'hello.txt'])
  t.same(readdirSync(join(site.folder, 'staging')), [], 'staging is empty again')

  const { receipt, signature } = site.imports.receipt('1')
  t.match(JSON.parse(receipt), { format: 'drydock-receipt/1', sequence: 1, generation: 1, submittedBy: 'olga', approvedBy: ['anton'], manifest: digestOf(manifestOf(built.file)) })
  t.equal((await verifyDetached(Buffer.from(receipt), signature, [site.appliance.key], new Date())).signatures.length, 1)
  t.same(site.events().map(({ type }) => type), ['import.found', 'import.verified', 'import.approved', 'import.promoted'])
})

/** As `tar xO manifest.json` would print it. */
function manifestOf(file: string): string {
  const bytes = readFileSync(file)
  return bytes.toString('utf8', 512, 512 + Number.parseInt(bytes.toString('latin1', 124, 135), 8))
}

await t.test('the next bundle shows what it changes and writes only what is new', async t => {
  const site = await openSite(t, { trust })
  const folder = t.testdir()
  await site.importBundle((await bundleOf({ folder, signers, files: { a: 'one', b: 'two' } })).file)
  const items = fileItems(join(folder, 'blobs'), { a: 'one', b: 'two' })
  const newer = fileItems(join(folder, 'blobs'), { b: 'three' }, '2')
  const second = await bundleOf({ folder, signers, sequence: 2, items: [...items, ...newer] })
  const { record } = await site.submit(second.file)
  t.match(record.preflight, { lastSequence: 1, adds: [{ kind: 'file', count: 1 }], changes: [{ kind: 'file', name: 'b', from: '1', to: '2' }], newBytes: 5, presentBytes: 6 })
})

await t.test('the same bundle a second time is refused by its sequence, and says so', async t => {
  const site = await openSite(t, { trust })
  const built = await bundleOf({ folder: t.testdir(), signers })
  t.match(await site.importBundle(built.file), { state: 'imported' })
  const { operation, record } = await site.submit(built.file)
  t.match(operation, { state: 'failed', error: { code: 'DD-IMPORT-003' } })
  t.match(record, { state: 'refused', error: { message: /which is this very bundle, imported already/ } })
})

await t.test('two imports at once queue, and the later one of the same sequence is refused', async t => {
  const site = await openSite(t, { trust })
  const folder = t.testdir()
  const first = await bundleOf({ folder: join(folder, 'a'), signers, files: { a: 'one' } })
  const second = await bundleOf({ folder: join(folder, 'b'), signers, files: { b: 'two' } })
  const [one, two] = await Promise.all([site.importBundle(first.file), site.importBundle(second.file)])
  t.same([one.state, two.state].toSorted(), ['imported', 'refused'])
  t.equal(site.store.catalogue.current().generation, 1)
})

await t.test('a jump of the sequence needs two people', async t => {
  const site = await openSite(t, { trust })
  const built = await bundleOf({ folder: t.testdir(), signers, sequence: 40 })
  const { operation, record } = await site.submit(built.file)
  t.match(record, { approvalsNeeded: 2, preflight: { findings: [{ code: 'sequence-jump' }] } })
  await site.imports.proceed(record.id, 'olga')
  await site.operations.settled(operation.id)
  await site.imports.approve(record.id, 'anton')
  t.match(site.operations.get(operation.id), { state: 'waiting', waitingOn: 'approval' })
  await t.rejects(site.imports.approve(record.id, 'anton'), { code: 'DD-IMPORT-007' })
  await site.imports.approve(record.id, 'vera')
  t.match(await site.operations.settled(operation.id), { state: 'succeeded' })
})

await t.test('a rejected import keeps its reason and leaves nothing', async t => {
  const site = await openSite(t, { trust })
  const built = await bundleOf({ folder: t.testdir(), signers })
  const before = site.fingerprint()
  const { record } = await site.submit(built.file)
  await site.imports.proceed(record.id, 'olga')
  await site.operations.settled(record.operation)
  const rejected = await site.imports.reject(record.id, 'not this week', 'anton')
  t.match(rejected, { state: 'rejected', reason: /anton: not this week/, error: { code: 'DD-IMPORT-008' } })
  t.equal(site.fingerprint(), before)
  t.match(await site.importBundle(built.file), { state: 'imported' }, 'the same bundle can still come in')
})

await t.test('an upload is imported like a path, and its copy is deleted at the end', async t => {
  const site = await openSite(t, { trust })
  const built = await bundleOf({ folder: t.testdir(), signers })
  async function* body() {
    yield readFileSync(built.file)
  }
  const { id } = await site.imports.submitStream(body(), 'demo-0001.v1-of-1.drydock', { actor: 'olga', idempotencyKey: 'upload-1' })
  await site.operations.settled(id)
  await site.imports.proceed(id, 'olga')
  await site.operations.settled(id)
  await site.imports.approve(id, 'anton')
  t.match(await site.operations.settled(id), { state: 'succeeded' })
  t.same(readdirSync(join(site.folder, 'staging', 'uploads')), [])
})

await t.test('a version with other bytes is quarantined and can only be rejected', async t => {
  const site = await openSite(t, { trust, internalNames: { file: ['ours-*'] } })
  const folder = t.testdir()
  await site.importBundle((await bundleOf({ folder: join(folder, 'a'), signers, files: { a: 'one' } })).file)
  const before = site.fingerprint()
  const evil = await bundleOf({ folder: join(folder, 'b'), signers, sequence: 2, files: { a: 'other', 'ours-tool': 'shadow' } })
  const { operation, record } = await site.submit(evil.file)
  t.same(record.preflight?.findings.map(({ code }) => code), ['same-version-other-bytes', 'shadows-internal-name'])
  await site.imports.proceed(record.id, 'olga')
  t.match(await site.operations.settled(operation.id), { state: 'waiting', waitingOn: 'quarantine' })
  await t.rejects(site.imports.approve(record.id, 'anton'), { code: 'DD-IMPORT-006' })
  await site.imports.reject(record.id, 'shadowing', 'anton')
  t.equal(site.fingerprint(), before)
  t.match(await site.importBundle((await bundleOf({ folder: join(folder, 'c'), signers, sequence: 2, files: { c: 'fine' } })).file), { state: 'imported' })
})

await t.test('a delta that stands on missing blobs is parked, and goes on when they arrive', async t => {
  const site = await openSite(t, { trust })
  const folder = t.testdir()
  const full = await bundleOf({ folder, signers, files: { a: 'one', b: 'two' } })
  const items = fileItems(join(folder, 'blobs'), { a: 'one', b: 'two', c: 'three' })
  const delta = await bundleOf({ folder, signers, sequence: 2, items, since: { base: digestOf('receipt'), inventory: new Set([digestOf('one'), digestOf('two')]) } })
  const { operation, record } = await site.submit(delta.file)
  t.match(record, { state: 'parked', missing: [/^file:a@1 sha256:/, /^file:b@1 sha256:/] })
  t.match(await site.importBundle(full.file), { state: 'imported' })
  await t.resolveMatch(site.operations.settled(operation.id), { state: 'waiting', waitingOn: 'proceed' })
  await site.imports.proceed(record.id, 'olga')
  await site.operations.settled(operation.id)
  await site.imports.approve(record.id, 'anton')
  t.match(await site.operations.settled(operation.id), { state: 'succeeded' })
  t.equal([...site.store.catalogue.current().items('file')].length, 3)
})
