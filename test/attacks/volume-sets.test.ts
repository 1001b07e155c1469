import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { digestOf, hexOf } from '../../appliance/core/digest.ts'
import { parseIndex } from '../../bundles/format/index-file.ts'
import { bundleOf } from '../support/bundles.ts'
import { entry, joined, nameOf, refused, sealed, sealedIndex, split, stillImports, world } from './hostile.ts'

/** The machine may be busy with other tests. */
t.setTimeout(280_000)

const VOLUME = 200 * 1024
const files = { a: 'first\n', large: Buffer.from(Array.from({ length: 300_000 }, (_, k) => (k * 7919 + (k >> 8)) % 251)) }

await t.test('volumes that were mixed, swapped, dropped, repeated or changed are refused or parked, never half applied', async t => {
  const here = await world(t)
  const { site, signers, folder } = here
  const built = async (name: string, more: object = {}) => (await bundleOf({ folder: join(folder, name), signers, files, volumeBytes: VOLUME, ...more })).volumes.map(({ file }) => file)
  const set = await built('set')
  const other = await built('other', { files: { ...files, a: 'other\n' }, workspace: 'workspace-1' })
  const next = await built('next', { sequence: 2 })
  const [one, two] = [split(readFileSync(set[0]!)), split(readFileSync(set[1]!))]
  const head = one.slice(0, 3)
  const before = site.fingerprint()

  await refused(t, here, joined([...head, entry(`blobs/${'0'.repeat(64)}`, 'evil')]), 'DD-BUNDLE-007', 'the payload of no volume')
  await refused(t, here, joined(head), 'DD-BUNDLE-007', 'no payload at all')
  await refused(t, here, joined([one[0]!, entry('manifest.json.asc', ''), ...one.slice(2)]), 'DD-TRUST-012', 'a volume whose head was never signed')
  t.equal(site.fingerprint(), before)

  const first = await site.submit(set[0]!)
  t.match(first.record, { state: 'parked' })
  const staged = site.fingerprint()
  const twin = join(folder, 'twin.drydock')
  writeFileSync(twin, readFileSync(set[0]!))
  t.match((await site.submit(twin)).record, { state: 'refused', error: { code: 'DD-IMPORT-018' } }, 'a volume twice')
  t.equal(site.fingerprint(), staged)
  const foreign = await site.submit(other[1]!)
  t.not(foreign.record.id, first.record.id, 'the second volume of another bundle by the same name and sequence is not taken for ours')
  t.match(foreign.record, { state: 'parked', missing: [/^volume 1 of/, /^volume 3 of/] })
  const later = await site.submit(next[1]!)
  t.not(later.record.id, first.record.id, 'nor is one of another sequence')
  t.match(site.imports.get(first.record.id).missing[0], /^volume 2 of/)
  for (const record of [foreign.record, later.record]) await site.imports.reject(record.id, 'not ours', 'anton')

  for (const path of set.slice(1)) await site.submit(path)
  const id = first.record.id
  const { operation } = first.record
  await site.operations.settled(operation)
  const flipped = split(readFileSync(set[2]!))
  const piece = flipped.findIndex(each => nameOf(each).startsWith('pieces/'))
  t.ok(piece > 0)
  const good = readFileSync(set[2]!)
  const bytes = Buffer.from(flipped[piece]!.body)
  bytes[100]! ^= 1
  const bad = { ...flipped[piece]!, body: bytes }
  const cases: [string, Buffer, RegExp][] = [
    ['a piece with a flipped bit', joined(flipped.with(piece, bad)), /expected pieces\/.* to have sha256/],
    ['a piece that is missing', joined(flipped.toSpliced(-1, 1)), /the end of the archive|next in the volume/],
    ['an entry of the volume before', joined([...flipped, two.at(-1)!]), /end of the archive/],
    ['a volume cut short', good.subarray(0, good.length - 2000), /found its end/],
  ]
  writeFileSync(set[2]!, cases[0]![1])
  await site.imports.proceed(id, 'olga')
  for (const [k, [why, , text]] of cases.entries()) {
    t.match(await site.operations.settled(operation), { state: 'waiting', waitingOn: `again-${k + 1}` }, why)
    t.match(site.imports.get(id), { state: 'parked' })
    t.match(site.imports.get(id).missing.join('\n'), text, why)
    t.equal(site.store.catalogue.current().generation, 0, why)
    t.same([...site.store.catalogue.current().items('file')], [], why)
    const bring = cases[k + 1]?.[1]
    if (bring === undefined) continue
    writeFileSync(set[2]!, bring)
    t.equal((await site.submit(set[2]!)).record.id, id)
  }
  writeFileSync(set[2]!, good)
  await site.submit(set[2]!)
  t.match(await site.operations.settled(operation), { state: 'waiting', waitingOn: 'approval' })
  await site.imports.reject(id, 'enough', 'anton')

  const { entries, manifest } = await here.good({ files: { large: files.large }, volumeBytes: 1_000_000 })
  const index = parseIndex(manifest, [entries[2]!.body])
  t.equal(index.entries.length, 2)
  const [item] = index.items
  const lie = { ...index, items: [{ ...item!, blobs: item!.blobs.map(blob => ({ ...blob, parts: blob.parts!.toReversed() })) }] }
  const pieces = entries.slice(3)
  const swapped = await sealedIndex(entries, manifest, lie, signers)
  await refused(t, here, joined([...swapped.slice(0, 3), ...pieces]), 'DD-BUNDLE-012', 'pieces that are the signed ones and together another blob')
  t.equal(hexOf(item!.blobs[0]!.digest), hexOf(digestOf(files.large)))
  t.ok(await sealed(entries, manifest, signers))
  await stillImports(t, here)
})
