import t from 'tap'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ErrorCode } from '../../appliance/core/errors/table.ts'
import type { Signer } from '../../appliance/core/signer.ts'
import type { Item } from '../../bundles/format/item.ts'
import type { Trust } from '../../bundles/format/trust.ts'
import { bundleOf, fileItems, person, type BundleSpec } from '../support/bundles.ts'
import { trustBundle, trustFor, trustItem } from '../support/control.ts'
import { openSite } from '../support/import-site.ts'

t.setTimeout(240_000)
const [ana, jon, mia, kim, eve] = (await Promise.all(['Ana', 'Jon', 'Mia', 'Kim', 'Eve'].map(name => person(name)))) as [Person, Person, Person, Person, Person]
type Person = Awaited<ReturnType<typeof person>>
const first = trustFor(1, { root: [ana, jon], release: [mia], recall: [mia] }, { root: 2 })
const second = trustFor(2, { root: [ana, kim], release: [mia], recall: [mia] }, { root: 2 })
const signersOf = (...people: Person[]): Signer[] => people.map(({ signer }) => signer)
let made = 0

type Trick = { why: string; code: ErrorCode; trust?: Trust; items?: (folder: string) => Item[]; by: Signer[]; change?: Partial<BundleSpec> }

const TRICKS: Trick[] = [
  { why: 'release keys alone', code: 'DD-TRUST-012', trust: second, by: signersOf(mia, kim) },
  { why: 'one root key of two', code: 'DD-TRUST-012', trust: second, by: signersOf(ana, kim) },
  { why: 'one root key twice', code: 'DD-TRUST-012', trust: second, by: signersOf(ana, ana, kim) },
  { why: 'the new root keys alone', code: 'DD-TRUST-012', trust: trustFor(2, { root: [eve], release: [eve], recall: [eve] }), by: signersOf(eve) },
  { why: 'the old root keys alone', code: 'DD-TRUST-018', trust: second, by: signersOf(ana, jon) },
  { why: 'one of the two new root keys twice', code: 'DD-TRUST-018', trust: trustFor(2, { root: [kim, eve], release: [mia], recall: [mia] }, { root: 2 }), by: signersOf(ana, jon, kim, kim) },
  { why: 'a new release key in the place of a new root key', code: 'DD-TRUST-018', trust: trustFor(2, { root: [kim], release: [eve], recall: [mia] }), by: signersOf(ana, jon, eve) },
  { why: 'a version that skips one', code: 'DD-TRUST-017', trust: trustFor(3, { root: [ana], release: [mia], recall: [mia] }), by: signersOf(ana, jon) },
  { why: 'the version in force with other keys', code: 'DD-TRUST-017', trust: trustFor(1, { root: [ana], release: [eve], recall: [eve] }), by: signersOf(ana, jon) },
  { why: 'the very trust in force', code: 'DD-TRUST-017', trust: first, by: signersOf(ana, jon) },
  { why: 'a version beyond 2^53', code: 'DD-BUNDLE-015', items: () => [{ ...trustItem(second), metadata: { trust: { ...second, version: 2 ** 53 + 2 } } }], by: signersOf(ana, jon, kim) },
  { why: 'a sequence that is not the version', code: 'DD-IMPORT-020', trust: second, by: signersOf(ana, jon, kim), change: { sequence: 9 } },
  { why: 'an item version that is not the version', code: 'DD-IMPORT-020', items: () => [{ ...trustItem(second), version: '3' }], by: signersOf(ana, jon, kim) },
  { why: 'another stream', code: 'DD-IMPORT-020', trust: second, by: signersOf(ana, jon, kim), change: { stream: 'demo' } },
  { why: 'content beside it', code: 'DD-IMPORT-020', items: folder => [...fileItems(join(folder, 'blobs'), { a: 'content' }), trustItem(second)], by: signersOf(ana, jon, kim, mia) },
  { why: 'two of them', code: 'DD-IMPORT-020', items: () => [trustItem(second), { ...trustItem(second), version: '3' }], by: signersOf(ana, jon, kim) },
  { why: 'a file of its own', code: 'DD-IMPORT-020', items: folder => [{ ...trustItem(second), blobs: fileItems(join(folder, 'blobs'), { a: 'payload' })[0]!.blobs }], by: signersOf(ana, jon, kim) },
  { why: 'a threshold that nobody can meet', code: 'DD-TRUST-001', trust: trustFor(2, { root: [ana, jon], release: [mia], recall: [mia] }, { release: 2 }), by: signersOf(ana, jon) },
  { why: 'a threshold of nobody', code: 'DD-CORE-009', items: () => [trustItem({ ...second, roles: { ...second.roles, release: { threshold: 0, keys: second.roles.release.keys } } })], by: signersOf(ana, jon, kim) },
  { why: 'a key under the fingerprint of another', code: 'DD-TRUST-001', trust: { ...second, keys: second.keys.map(key => (key.name === 'Kim' ? { ...key, publicKey: eve.public } : key)) }, by: signersOf(ana, jon, kim) },
  { why: 'a role that holds a revoked key', code: 'DD-TRUST-001', trust: { ...second, keys: second.keys.map(key => (key.name === 'Mia' ? { ...key, revoked: true as const } : key)) }, by: signersOf(ana, jon, kim) },
  { why: 'an unknown field', code: 'DD-CORE-009', items: () => [trustItem({ ...second, anyone: true } as Trust)], by: signersOf(ana, jon, kim) },
  { why: 'a trust for another site', code: 'DD-IMPORT-001', trust: second, by: signersOf(ana, jon, kim), change: { site: 'site-b' } },
]

async function brought(trick: Trick, folder: string): Promise<string> {
  const own = join(folder, String(++made))
  if (trick.trust !== undefined) return (await trustBundle(own, trick.trust, trick.by, trick.change)).file
  const items = trick.items!(own)
  return (await bundleOf({ folder: own, items, signers: trick.by, stream: 'trust', workspace: 'trust', name: 'trust', site: '*', sequence: 2, ...trick.change })).file
}

await t.test('no trick brings another trust in; nothing changes, and the right one still does', async t => {
  const site = await openSite(t, { trust: first })
  const folder = t.testdir()
  for (const trick of TRICKS) {
    const file = await brought(trick, folder).catch((failure: unknown) => failure as { code: string })
    if (typeof file !== 'string') {
      t.match(file, { code: trick.code }, `${trick.why}: not even built`)
      continue
    }
    const before = site.fingerprint()
    const { record } = await site.submit(file)
    t.match(record, { state: /refused|failed/, error: { code: trick.code } }, `${trick.why}: ${record.error?.message}`)
    t.equal(site.fingerprint(), before, `${trick.why}: nothing changed`)
    t.same(site.trust(), first)
  }
  const good = await site.submit((await trustBundle(join(folder, 'good'), second, signersOf(ana, jon, kim))).file)
  await site.imports.approve(good.record.id, 'anton')
  await site.imports.approve(good.record.id, 'berta')
  t.match(await site.operations.settled(good.operation.id), { state: 'succeeded' })
  t.same(site.trust(), second)
})

await t.test('content cannot use up the streams of trust and recalls', async t => {
  const site = await openSite(t, { trust: first })
  const folder = t.testdir()
  for (const stream of ['trust', 'recall']) {
    const { file } = await bundleOf({ folder: join(folder, stream), signers: [mia.signer], stream, sequence: 1000 })
    t.match(await site.importBundle(file), { state: 'refused', error: { code: 'DD-IMPORT-020' } }, stream)
    t.equal(site.marks.get(stream), undefined)
  }
})

await t.test('a trust bundle of long ago does not come back, and of two that waited only one comes in', async t => {
  const site = await openSite(t, { trust: first })
  const folder = t.testdir()
  const other = trustFor(2, { root: [ana, jon], release: [mia], recall: [mia] }, { root: 2 }, [eve])
  const two = await trustBundle(join(folder, 'two'), second, signersOf(ana, jon, kim))
  const fork = await trustBundle(join(folder, 'fork'), other, signersOf(ana, jon))
  const [a, b] = [await site.submit(two.file), await site.submit(fork.file)]
  for (const { record } of [a, b]) for (const person of ['anton', 'berta']) await site.imports.approve(record.id, person)
  t.match(await site.operations.settled(a.operation.id), { state: 'succeeded' })
  await site.operations.settled(b.operation.id)
  t.match(site.imports.get(b.record.id), { state: 'refused', error: { code: /DD-TRUST-01[27]/ } })
  t.same(site.trust(), second)
  const three = trustFor(3, { root: [kim], release: [mia], recall: [mia] })
  const third = await site.submit((await trustBundle(join(folder, 'three'), three, signersOf(ana, kim))).file)
  for (const person of ['anton', 'berta']) await site.imports.approve(third.record.id, person)
  t.match(await site.operations.settled(third.operation.id), { state: 'succeeded' })
  for (const { file } of [two, fork]) t.match((await site.submit(file)).record, { state: 'refused', error: { code: /DD-TRUST-01[27]/ } }, 'it is of another time')
  t.same(site.trust(), three)
})

await t.test('a flipped byte of a trust bundle changes nothing', async t => {
  const site = await openSite(t, { trust: first })
  const folder = t.testdir()
  const bytes = readFileSync((await trustBundle(join(folder, 'two'), second, signersOf(ana, jon, kim))).file)
  const before = site.fingerprint()
  for (let k = 0; k < 24; k++) {
    const at = Math.floor(((k + 0.5) / 24) * bytes.length)
    const flipped = Buffer.from(bytes)
    flipped[at]! ^= 1
    writeFileSync(join(folder, 'flipped.drydock'), flipped)
    const { record } = await site.submit(join(folder, 'flipped.drydock'))
    t.not(record.state, 'awaiting-approval', `byte ${at}: ${record.error?.code}`)
  }
  t.equal(site.fingerprint(), before)
})
