import t from 'tap'
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { digestOf } from '../../../appliance/core/digest.ts'
import type * as model from '../../../appliance/model/catalogue.ts'
import { openStore } from '../../../mirror/store/open.ts'
import { fileItem, toyFormat } from '../support/toy-format.ts'

const formats = [toyFormat()]

await t.test('the store is what the model asks for', async t => {
  const store = await openStore({ dataDir: t.testdir() })
  const seen: { blobs: model.BlobStore; catalogue: model.Catalogue } = store
  t.same(seen.catalogue.current().generation, 0)
  t.same([...seen.catalogue.current().items('npm')], [])
  store.close()
})

await t.test('a promotion makes one generation, and the same operation again makes none', async t => {
  const dataDir = t.testdir()
  const store = await openStore({ dataDir, formats })
  const { blobs, catalogue } = store
  const items = [await fileItem(blobs, 'tool', '1', 'one'), await fileItem(blobs, 'tool', '2', 'two')]
  t.same(await catalogue.promote({ operation: 'op-1', items }), { generation: 1 })
  t.same(await catalogue.promote({ operation: 'op-1', items }), { generation: 1 })
  t.same(catalogue.generations().map(row => [row.generation, row.operation, row.counts, row.current]), [[0, '', {}, false], [1, 'op-1', { file: 2 }, true]])
  const index = catalogue.lookup(1, 'file', 'tool')
  t.equal((await blobs.read(index!.digest)).toString(), '1\n2\n')
  store.close()

  const again = await openStore({ dataDir, formats })
  t.equal(again.catalogue.current().generation, 1, 'it is there after a restart')
  t.same(await again.catalogue.promote({ operation: 'op-1', items }), { generation: 1 })
  t.same(again.catalogue.current().find('file', 'tool').map(item => item.version), ['1', '2'])
  again.close()
})

await t.test('an older generation keeps what it served', async t => {
  const { blobs, catalogue, close } = await openStore({ dataDir: t.testdir(), formats })
  await catalogue.promote({ operation: 'a', items: [await fileItem(blobs, 'tool', '1', 'one')] })
  await catalogue.promote({ operation: 'b', items: [await fileItem(blobs, 'tool', '2', 'two'), await fileItem(blobs, 'saw', '1', 'saw')] })
  t.equal((await blobs.read(catalogue.lookup(1, 'file', 'tool')!.digest)).toString(), '1\n')
  t.equal((await blobs.read(catalogue.lookup(2, 'file', 'tool')!.digest)).toString(), '1\n2\n')
  t.equal(catalogue.lookup(1, 'file', 'saw'), undefined)
  t.equal(catalogue.lookup(0, 'file', 'tool'), undefined)
  t.same([...catalogue.at(1).items('file')].map(item => item.version), ['1'])
  t.same(catalogue.diff(1, 2).added.map(item => `${item.name}@${item.version}`), ['saw@1', 'tool@2'])
  t.same(catalogue.diff(2, 1).removed.map(item => item.name), ['saw', 'tool'])
  t.same(catalogue.search('SA', 10).map(item => item.name), ['saw'])
  t.throws(() => catalogue.at(3), { code: 'DD-MIRROR-003' })
  t.throws(() => catalogue.at(-1), { code: 'DD-MIRROR-003' })
  close()
})

await t.test('ten new items among many write ten things, not all of them again', async t => {
  const dataDir = t.testdir()
  const { blobs, catalogue, close } = await openStore({ dataDir, formats })
  const digest = await blobs.put('same')
  const item = (n: number) => ({ kind: 'file' as const, name: `file-${n}`, version: '1', metadata: {}, blobs: [{ name: 'file', digest, size: 4 }], source: `pkg:generic/file-${n}@1` })
  await catalogue.promote({ operation: 'many', items: Array.from({ length: 3000 }, (_, n) => item(n)) })
  const database = new DatabaseSync(join(dataDir, 'db/catalogue.sqlite'), { readOnly: true })
  const rows = () => Number(database.prepare('SELECT (SELECT count(*) FROM items) + (SELECT count(*) FROM rendered) AS n').get()!['n'])
  const before = rows()
  await catalogue.promote({ operation: 'few', items: Array.from({ length: 10 }, (_, n) => item(n + 2995)) })
  t.equal(rows() - before, 5 + 10, 'five of the ten were there already; each new one is an item, an index and a file')
  database.close()
  close()
})

await t.test('a key that would come to mean other bytes is refused and nothing changes', async t => {
  const { blobs, catalogue, close } = await openStore({ dataDir: t.testdir(), formats })
  await catalogue.promote({ operation: 'a', items: [await fileItem(blobs, 'tool', '1', 'one')] })
  const other = await fileItem(blobs, 'tool', '1', 'evil')
  await t.rejects(catalogue.promote({ operation: 'b', items: [await fileItem(blobs, 'new', '1', 'new'), other] }), { code: 'DD-MIRROR-001', message: /file:tool@1/ })
  t.equal(catalogue.current().generation, 1)
  t.same(catalogue.current().find('file', 'new'), [])
  await t.rejects(catalogue.promote({ operation: 'c', items: [await fileItem(blobs, 'x', '1', 'x'), await fileItem(blobs, 'x', '1', 'y')] }), { code: 'DD-MIRROR-001' }, 'nor twice in one bundle')
  close()
})

await t.test('an item whose blob is missing is refused', async t => {
  const { catalogue, close } = await openStore({ dataDir: t.testdir(), formats })
  const item = { kind: 'file' as const, name: 'gone', version: '1', metadata: {}, blobs: [{ name: 'file', digest: digestOf('nowhere'), size: 7 }], source: 'pkg:generic/gone@1' }
  await t.rejects(catalogue.promote({ operation: 'a', items: [item] }), { code: 'DD-MIRROR-002', message: /file:gone@1/ })
  await t.rejects(catalogue.validate(item), { code: 'DD-MIRROR-002' })
  t.equal(catalogue.current().generation, 0)
  close()
})

await t.test('two promotions at once follow each other', async t => {
  const { blobs, catalogue, close } = await openStore({ dataDir: t.testdir(), formats })
  const [a, b] = [await fileItem(blobs, 'a', '1', 'a'), await fileItem(blobs, 'b', '1', 'b')]
  t.same(await Promise.all([catalogue.promote({ operation: 'a', items: [a] }), catalogue.promote({ operation: 'b', items: [b] }), catalogue.promote({ operation: 'a', items: [a] })]), [{ generation: 1 }, { generation: 2 }, { generation: 1 }])
  t.same([...catalogue.current().items('file')].map(item => item.name), ['a', 'b'])
  close()
})

await t.test('when the address changes, what names it is rendered again at the next start, once', async t => {
  const dataDir = t.testdir()
  const first = await openStore({ dataDir, formats: [toyFormat(undefined, ' at a')] })
  await first.catalogue.promote({ operation: 'a', items: [await fileItem(first.blobs, 'tool', '1', 'one'), await fileItem(first.blobs, 'tool', '2', 'two')] })
  first.close()
  for (const [address, generation] of [[' at a', 1], [' at b', 2], [' at b', 2], [' at a', 3]] as const) {
    const { blobs, catalogue, close } = await openStore({ dataDir, formats: [toyFormat(undefined, address)] })
    t.equal(catalogue.current().generation, generation)
    t.equal((await blobs.read(catalogue.lookup(generation, 'file', 'tool')!.digest)).toString(), `1${address}\n2${address}\n`)
    t.same(catalogue.generations().at(-1)?.counts, { file: 2 })
    close()
  }
})

await t.test('a catalogue of a newer format is refused and left alone', async t => {
  const dataDir = t.testdir()
  const { close } = await openStore({ dataDir })
  close()
  const database = new DatabaseSync(join(dataDir, 'db/catalogue.sqlite'))
  database.exec('PRAGMA user_version = 99')
  database.close()
  await t.rejects(openStore({ dataDir }), { code: 'DD-MIRROR-005' })
})

await t.test('blobs', async t => {
  const dataDir = t.testdir()
  const { blobs, close } = await openStore({ dataDir })
  const incoming = join(dataDir, 'blobs/incoming')

  await t.test('a document lies under its digest, read-only, in a folder of two letters', async t => {
    const digest = await blobs.put('hello')
    const path = blobs.blobPath(digest)
    t.equal(path, join(dataDir, 'blobs/sha256', digest.slice(7, 9), digest.slice(7)))
    t.equal(statSync(path).mode & 0o777, 0o440)
    t.equal(blobs.size(digest), 5)
    t.same(readdirSync(incoming), [])
  })

  await t.test('a staged file is adopted without a copy, and adopting it twice is the same', async t => {
    const staged = join(dataDir, 'staged')
    writeFileSync(staged, 'staged bytes')
    const digest = digestOf('staged bytes')
    const { ino } = statSync(staged)
    await blobs.adopt(staged, digest)
    await blobs.adopt(staged, digest)
    t.equal(statSync(blobs.blobPath(digest)).ino, ino)
    t.notOk(existsSync(staged))
    await t.rejects(blobs.adopt(staged, digestOf('never seen')), { code: 'ENOENT' })
    t.equal(statSync(blobs.blobPath(digest)).mode & 0o777, 0o440)
    t.same(readdirSync(incoming), [])
  })

  await t.test('rotten bytes are not returned, and importing the right ones heals them', async t => {
    const digest = await blobs.put('precious')
    const { chmodSync } = await import('node:fs')
    chmodSync(blobs.blobPath(digest), 0o640)
    writeFileSync(blobs.blobPath(digest), 'previous')
    await t.rejects(blobs.read(digest), { code: 'DD-CORE-005' })
    const staged = join(dataDir, 'staged-again')
    writeFileSync(staged, 'precious')
    await blobs.adopt(staged, digest)
    t.equal((await blobs.read(digest)).toString(), 'precious')
  })

  await t.test('what an interrupted write left is gone after the next start', async t => {
    writeFileSync(join(incoming, 'leftover.tmp'), 'half')
    close()
    const again = await openStore({ dataDir })
    t.notOk(existsSync(join(incoming, 'leftover.tmp')))
    again.close()
  })

  await t.test('a blob that is not there is an error with a name', async t => t.rejects(blobs.read(digestOf('never')), { code: 'DD-MIRROR-002' }))
})
