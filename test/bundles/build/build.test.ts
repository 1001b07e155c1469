import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import t from 'tap'
import { digestOf, hexOf } from '../../../appliance/core/digest.ts'
import { checkVolume, keepSequence, openWorkspace, readReceipt, signBundle } from '../../../bundles/build/index.ts'
import { canonicalJson } from '../../../bundles/format/canonical-json.ts'
import { gpgSigner, verifyDetached } from '../../../bundles/openpgp/index.ts'
import { split } from '../../attacks/hostile.ts'
import { bundleOf, fileItems, person } from '../../support/bundles.ts'
import { gpgHome } from '../../support/gpg.ts'

/** The machine may be busy with other tests. */
t.setTimeout(240_000)

const ana = await person('Ana Ruiz')
const jon = await person('Jon Berg')
const signers = [ana.signer, jon.signer]
const files = { 'a.txt': 'first\n', 'b/c.bin': Buffer.alloc(1_500_000, 'x'), empty: '' }

await t.test('the same lock and sequence give the same bytes, except the signatures', async t => {
  const folder = t.testdir()
  const [one, two] = await Promise.all(['one', 'two'].map(name => bundleOf({ folder: join(folder, name), files, signers })))
  const [a, b] = [one!, two!].map(({ file }) => split(readFileSync(file)))
  t.equal(basename(one!.file), 'demo-0001.v1-of-1.drydock')
  t.equal(a!.length, b!.length)
  a!.forEach((entry, k) => k === 1 || t.ok(entry.header.equals(b![k]!.header) && entry.body.equals(b![k]!.body), `entry ${k}`))
  const unsigned = await Promise.all(['three', 'four'].map(name => bundleOf({ folder: join(folder, name), files, signers: [] })))
  t.equal(unsigned[0]!.digest, unsigned[1]!.digest, 'without signatures, all of it')
})

await t.test('a person checks a bundle by hand with the commands of the README', async t => {
  const folder = t.testdir()
  const { file } = await bundleOf({ folder: join(folder, 'build'), files, signers })
  mkdirSync(join(folder, 'keys'))
  for (const { name, public: key } of [ana, jon]) writeFileSync(join(folder, 'keys', `${name.split(' ')[0]}.pub`), key)
  copyFileSync(file, join(folder, 'demo-0001.v1-of-1.drydock'))
  const commands = /```sh\n(.*?)```/s.exec(readFileSync('bundles/build/README.md', 'utf8'))![1]!
  const { homedir } = gpgHome(t)
  const said = execFileSync('bash', ['-euo', 'pipefail', '-c', `exec 2>&1\n${commands}`], { cwd: folder, env: { PATH: process.env['PATH'], GNUPGHOME: homedir, LC_ALL: 'C.UTF-8' } }).toString()
  t.match(said, /Good signature from "Ana Ruiz"/)
  t.match(said, /Good signature from "Jon Berg"/)
  t.match(said, /index\/0: OK/)
  t.equal(said.match(/blobs\/[0-9a-f]{64}: OK/g)?.length, 3)
  t.notMatch(said, /implausibly|WARNING: \d+ line|tar:/)
})

await t.test('gpg signs too: directly, later, and beside our own keys', async t => {
  const gpg = gpgHome(t)
  const vera = await gpg.makeKey('Vera Holm', 'ed25519')
  const signer = await gpgSigner({ user: 'Vera Holm', homedir: gpg.homedir })
  t.equal(signer.fingerprint, vera.key.fingerprint)
  const { file } = await bundleOf({ folder: t.testdir(), signers: [ana.signer] })
  t.same(await signBundle(file, signer), { signatures: 2 })
  await t.rejects(signBundle(file, signer), { code: 'DD-BUNDLE-016' })
  const [manifest, asc] = split(readFileSync(file))
  const { signatures } = await verifyDetached(manifest!.body, asc!.body.toString(), [ana.key, vera.key], new Date(Date.now() + 1000))
  t.same(signatures.map(({ key }) => key.name), ['Ana Ruiz', 'Vera Holm'])
  const byHand = gpg.sign('Vera Holm', manifest!.body)
  t.equal((await verifyDetached(manifest!.body, asc!.body.toString() + byHand, [ana.key, vera.key], new Date(Date.now() + 1000))).signatures.length, 3, 'gpg by hand, appended')
  await t.rejects(gpgSigner({ user: 'Nobody', homedir: gpg.homedir }), { code: /DD-TRUST-01[05]/ })
  for (const [name, algorithm] of [['P-256', 'nistp256'], ['RSA-3072', 'rsa3072']] as const) {
    const other = await gpg.makeKey(name, algorithm)
    t.equal((await verifyDetached(manifest!.body, gpg.sign(name, manifest!.body), [other.key], new Date(Date.now() + 1000))).signatures.length, 1, name)
  }
})

await t.test('a signature added later leaves everything else as it is, and nobody signs a damaged bundle', async t => {
  const { file } = await bundleOf({ folder: t.testdir(), files, signers: [ana.signer] })
  const before = split(readFileSync(file))
  await signBundle(file, jon.signer)
  const after = split(readFileSync(file))
  before.forEach((entry, k) => k === 1 || t.ok(entry.body.equals(after[k]!.body), `entry ${k}`))
  const damaged = readFileSync(file)
  damaged[damaged.length - 1600]! ^= 1
  writeFileSync(file, damaged)
  const third = await person('Third')
  await t.rejects(signBundle(file, third.signer), { code: /DD-BUNDLE-00[38]/ })
  t.ok(readFileSync(file).equals(damaged), 'the file is as it was')
})

await t.test('a blob that is missing or has other bytes stops the build and leaves no file', async t => {
  const folder = t.testdir()
  const items = fileItems(join(folder, 'blobs'), { a: 'first' })
  const blob = join(folder, 'blobs', hexOf(digestOf('first')))
  writeFileSync(blob, 'firsT')
  await t.rejects(bundleOf({ folder, items, signers }), { code: 'DD-BUNDLE-013' })
  writeFileSync(blob, 'first and more')
  await t.rejects(bundleOf({ folder, items, signers }), { code: 'DD-BUNDLE-013' })
  t.same(readdirSync(join(folder, 'out')), [])
})

await t.test('a delta leaves out what the receipt holds, when the appliance signed it', async t => {
  const folder = t.testdir()
  const site = await person('site-a')
  const receipt = canonicalJson({
    format: 'drydock-receipt/1', applianceId: 'x', site: 'site-a', stream: 'demo', epoch: 0, sequence: 1, manifest: digestOf('m'), generation: 1, at: '2026-01-01T00:00:00.000Z', signers: [], submittedBy: 'olga', approvedBy: ['anton'],
    inventoryDigest: digestOf('i'), inventory: [digestOf('one')], counts: {}, refused: [], missing: [],
  })
  const path = join(folder, 'receipt.json')
  writeFileSync(path, receipt)
  writeFileSync(`${path}.asc`, await site.signer.sign(Buffer.from(receipt)))
  const since = await readReceipt(path, site.key, new Date())
  const { file, manifest } = await bundleOf({ folder, files: { a: 'one', b: 'two' }, signers, sequence: 2, since })
  t.match(manifest, { base: digestOf(receipt), totals: { entries: 1, bytes: 3, items: { file: 2 } } })
  await t.resolves(checkVolume(file))
  await t.rejects(readReceipt(path, ana.key, new Date()), { code: 'DD-TRUST-012' })
  writeFileSync(path, receipt.replace('"olga"', '"eve"'))
  await t.rejects(readReceipt(path, site.key, new Date()), { code: 'DD-TRUST-005' })
})

await t.test('a workspace serves one stream of one site and counts its bundles', async t => {
  const folder = t.testdir({ 'lock.json': JSON.stringify({ format: 'drydock-collection-lock/1', name: 'demo', created: '2026-01-01T00:00:00Z', items: [] }) })
  await t.rejects(openWorkspace(folder, {}), { code: 'DD-BUNDLE-014' }, 'the first build names the site')
  for (const stream of ['trust', 'recall']) await t.rejects(openWorkspace(folder, { site: 'site-a', stream }), { code: 'DD-BUNDLE-014' }, `${stream} is no stream of content`)
  const first = await openWorkspace(folder, { site: 'site-a' })
  t.match(first.sender, { site: 'site-a', stream: 'demo', epoch: 0, sequence: 0 })
  await keepSequence(first, 1)
  t.match((await openWorkspace(folder, {})).sender, { id: first.sender.id, sequence: 1 })
  await t.rejects(openWorkspace(folder, { site: 'site-b' }), { code: 'DD-BUNDLE-014' })
  await t.rejects(openWorkspace(join(folder, 'none'), {}), { code: 'DD-BUNDLE-017' })
})
