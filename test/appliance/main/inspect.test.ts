import t from 'tap'
import { join } from 'node:path'
import { alignedLines } from '../../../appliance/cli/columns.ts'
import { digestOf } from '../../../appliance/core/digest.ts'
import { packingLines } from '../../../appliance/main/outside/packing-lines.ts'
import { openSet, packingList } from '../../../bundles/build/index.ts'
import type { Item } from '../../../bundles/format/item.ts'
import { licenceSummary } from '../../../bundles/format/licence.ts'
import { bundleOf, fileItems, person, type BundleSpec } from '../../support/bundles.ts'

const ana = await person('Ana Ruiz')

async function listed(spec: Omit<BundleSpec, 'signers'>, only: (files: string[]) => string[], options: { all?: boolean; width?: number } = {}): Promise<string[]> {
  const built = await bundleOf({ ...spec, signers: [ana.signer] })
  const set = await openSet(only(built.volumes.map(({ file }) => file)))
  await set.close()
  const { manifest, manifestDigest, index } = set.volumes[0]!
  const volumes = manifest.volumes.map((volume, k) => {
    const here = set.volumes.find(({ number }) => number === k + 1)
    return { number: k + 1, name: `v${k + 1}`, size: here === undefined ? null : 1000, payload: volume.payloadSize, entries: volume.entries, here: here !== undefined }
  })
  const packed = { manifest, manifestDigest, volumes, issuers: ['ABCD'], verified: undefined, list: packingList(index), licences: licenceSummary(index.items) }
  return packingLines(packed, { all: options.all === true, width: options.width }).map(({ text }) => text)
}

await t.test('a bundle reads like a packing list', async t => {
  const folder = t.testdir()
  const items = fileItems(join(folder, 'blobs'), Object.fromEntries(Array.from({ length: 30 }, (_, k) => [`tool-${k}`, 'x'.repeat(k + 1)])))
  const [first, ...rest] = items as [Item, ...Item[]]
  const one: Item = { ...first, kind: 'npm', licences: ['MIT'] }
  const lines = await listed({ folder, items: [...rest, one] }, files => files)
  t.match(lines.slice(0, 5), [
    'demo, sequence 1 of stream demo, for site site-a', 'made       2026-01-01 00:00:00 UTC', 'travels    465 B: 30 whole blobs', 'signed by  ABCD   not judged here: give --trust for that', /^manifest {3}sha256:/,
  ])
  t.ok(lines.includes('KIND  ITEMS  BYTES  TRAVELS'))
  t.ok(lines.includes('all      30  465 B    465 B'))
  t.ok(lines.includes('licences   MIT 1'))
  t.ok(lines.includes('   30 B  file tool-29 1'), 'the biggest first')
  t.ok(lines.includes('and 17 more (--all)'))
  t.same(lines.filter(line => line.startsWith('tool-1')).map(line => line.split(/\s+/)[0]), ['tool-1', 'tool-10', 'tool-11', 'tool-12', 'tool-13'].slice(0, lines.filter(line => line.startsWith('tool-1')).length), 'numbers in names count as numbers')
  t.notOk((await listed({ folder: t.testdir(), files: { a: 'b' } }, files => files, { all: true })).some(line => line.includes('--all')))
})

await t.test('one volume of a set tells the whole, and which ones are not here', async t => {
  const folder = t.testdir()
  const files = Object.fromEntries(Array.from({ length: 6 }, (_, k) => [`f${k}`, String(k).repeat(60_000)]))
  const lines = await listed({ folder, files, volumeBytes: 200_000 }, all => all.slice(1, 2))
  t.match(lines.filter(line => /^v\d/.test(line)), [/^v1 +not here +117 KiB/, /^v2 +1000 B/, /^v3 +not here/])
  t.ok(lines.includes('file      6  352 KiB  352 KiB'))
  const pieces = await listed({ folder: t.testdir(), files: { big: Uint8Array.from({ length: 300_000 }, (_, k) => k % 251), small: 'x' }, volumeBytes: 200_000 }, all => all)
  t.ok(pieces.includes('travels    293 KiB: 1 whole blob, 1 blob in pieces'))
})

await t.test('a delta says what it stands on and what the receiver holds', async t => {
  const lines = await listed({ folder: t.testdir(), files: { a: 'one', b: 'two' }, since: { base: digestOf('receipt'), inventory: new Set([digestOf('one')]) } }, files => files)
  t.ok(lines.includes(`stands on  ${digestOf('receipt')}: 1 blob is with the receiver already`))
  t.same(lines.filter(line => /^[ab] /.test(line)).map(line => line.replaceAll(/ +/g, ' ')), ['a 1 3 B held', 'b 1 3 B'])
})

await t.test('names cannot steer a terminal, and long ones give way to a narrow one', async t => {
  t.same(alignedLines([['NAME', 'SIZE'], ['a\u001b[31m\u202e', '1']]), ['NAME               SIZE', 'a\\u001b[31m\\u202e  1'])
  t.same(alignedLines([['a-name-that-is-much-too-long', '12'], ['b', '3']], { right: column => column === 1, width: { most: 20, gives: 0 } }), ['a-name-that-is-…  12', 'b                  3'])
  const items = fileItems(join(t.testdir(), 'blobs'), { ['n'.repeat(200)]: 'x' })
  const lines = await listed({ folder: t.testdirName, items }, files => files, { width: 80 })
  const table = lines.slice(lines.findIndex(line => line.startsWith('FILE')))
  t.equal(Math.max(...table.map(line => Array.from(line).length)), 80)
})
