import { zstdCompressSync } from 'node:zlib'
import t from 'tap'
import { digestOf, type Digest } from '../../appliance/core/digest.ts'
import { parseIndex } from '../../bundles/format/index-file.ts'
import type { Item } from '../../bundles/format/item.ts'
import { entry, joined, refused, sealed, sealedIndex, stillImports, world } from './hostile.ts'

/** The machine may be busy with other tests. */
t.setTimeout(240_000)

await t.test('an index that is signed but does not hold is refused before any payload is stored', async t => {
  const here = await world(t)
  const { entries, manifest } = await here.good({ files: { a: 'first', b: 'second!' } })
  const index = parseIndex(manifest, [entries[2]!.body])
  const [one, two] = index.entries as [(typeof index.entries)[0], (typeof index.entries)[0]]
  const [a, b] = index.items as [Item, Item]
  const { signers } = here
  const lie = async (next: typeof index, change?: (same: typeof manifest) => typeof manifest): Promise<Buffer> => joined(await sealedIndex(entries, manifest, next, signers, change))
  const raw = async (content: Buffer, contentSize: number): Promise<Buffer> => {
    const part = { name: 'index/0', digest: digestOf(content), size: content.length, contentSize, entries: manifest.index[0]!.entries, items: manifest.index[0]!.items }
    return joined(await sealed([entries[0]!, entries[1]!, entry('index/0', content), ...entries.slice(3)], { ...manifest, index: [part] }, signers))
  }

  await refused(t, here, await raw(zstdCompressSync(Buffer.alloc(300 * 1024 * 1024)), manifest.index[0]!.contentSize), 'DD-BUNDLE-012', 'a zstd bomb: 300 MiB where a few hundred bytes were signed')
  await refused(t, here, await raw(zstdCompressSync(Buffer.alloc(1024)), 300 * 1024 * 1024), 'DD-BUNDLE-010', 'a part that announces 300 MiB')
  await refused(t, here, await raw(zstdCompressSync(Buffer.alloc(300 * 1024 * 1024)), 8 * 1024 * 1024), 'DD-BUNDLE-012', 'a bomb just below the limit')
  await refused(t, here, await raw(Buffer.from('not zstd at all'), 100), 'DD-BUNDLE-012', 'no zstd')
  await refused(t, here, await raw(zstdCompressSync(Buffer.from('{"entry":1}\n')), 12), 'DD-CORE-009', 'a line of another shape')
  await refused(t, here, await raw(zstdCompressSync(Buffer.from('{"item": 1}\n')), 12), 'DD-BUNDLE-009', 'a line that is not canonical')
  await refused(t, here, await raw(zstdCompressSync(Buffer.from('{}')), 2), 'DD-BUNDLE-012', 'a last line without its end')

  const unused = { name: `blobs/${digestOf('x').slice(7)}`, digest: digestOf('x'), size: 1, volume: 1 }
  await refused(t, here, await lie({ ...index, entries: [one, two, unused] }), 'DD-BUNDLE-012', 'an entry that no item needs')
  await refused(t, here, await lie({ ...index, entries: [one] }), 'DD-BUNDLE-012', 'an item whose blob is not there, without a base')
  await refused(t, here, await lie({ ...index, entries: [one, one, two] }), 'DD-BUNDLE-012', 'an entry twice')
  await refused(t, here, await lie({ ...index, entries: [{ ...one, digest: two.digest }, two] }), 'DD-BUNDLE-012', 'a name that is not its digest')
  await refused(t, here, await lie({ ...index, entries: [{ ...one, size: 6 }, two] }), 'DD-BUNDLE-012', 'a size that the item does not have')
  await refused(t, here, await lie({ ...index, entries: [{ ...one, volume: 2 }, two] }), 'DD-BUNDLE-012', 'an entry in a volume that is not there')
  await refused(t, here, await lie({ ...index, items: [b, a] }), 'DD-BUNDLE-012', 'items out of order')
  await refused(t, here, await lie({ ...index, items: [a, a, b] }), 'DD-BUNDLE-012', 'an item twice')
  await refused(t, here, await lie(index, same => ({ ...same, totals: { ...same.totals, items: { file: 1 } } })), 'DD-BUNDLE-012', 'totals of items that do not hold')
  await refused(t, here, await lie(index, same => ({ ...same, totals: { ...same.totals, bytes: 1 } })), 'DD-BUNDLE-012', 'totals of bytes that do not hold')
  await refused(t, here, await lie(index, same => ({ ...same, volumes: [{ firstEntry: 0, entries: 2, payloadSize: 2 ** 52 }] })), 'DD-BUNDLE-012', 'a volume of another size')
  await refused(t, here, await lie(index, same => ({ ...same, index: same.index.map(part => ({ ...part, items: 3 })) })), 'DD-BUNDLE-012', 'a part with another number of items')
  const chunk = { ...one, name: one.name.replace('blobs/', 'chunks/') }
  await refused(t, here, await lie({ ...index, entries: [chunk, two] }), 'DD-BUNDLE-012', 'a chunk of nothing')
  const piece = { ...one, name: one.name.replace('blobs/', 'pieces/') }
  await refused(t, here, await lie({ ...index, entries: [piece, two] }), 'DD-BUNDLE-012', 'a piece of nothing')
  const inParts = (...parts: { entry: string; digest: Digest; size: number }[]): Item => ({ ...a, blobs: a.blobs.map(blob => ({ ...blob, parts })) })
  const part = { entry: piece.name, digest: one.digest, size: one.size }
  await refused(t, here, await lie({ ...index, items: [inParts({ ...part, entry: one.name }), b] }), 'DD-BUNDLE-012', 'parts of a whole blob')
  await refused(t, here, await lie({ ...index, entries: [piece, two], items: [inParts(part, part), b] }), 'DD-BUNDLE-012', 'parts whose sum is not the blob')
  await refused(t, here, await lie({ ...index, entries: [piece, two], items: [inParts(), b] }), 'DD-BUNDLE-012', 'no parts at all')
  await refused(t, here, await lie({ ...index, entries: [piece, two], items: [inParts({ ...part, size: part.size + 1 }), b] }), 'DD-BUNDLE-012', 'a part of another size than its piece')
  await refused(t, here, await lie({ ...index, entries: [piece, two], items: [inParts({ ...part, entry: `pieces/${two.name.slice(6)}` }), b] }), 'DD-BUNDLE-012', 'a part that nothing brings')
  await refused(t, here, await lie({ ...index, entries: [one, piece, two], items: [inParts(part), b] }), 'DD-BUNDLE-012', 'a blob that comes whole and in parts')
  const huge = { ...piece, size: 256 * 1024 * 1024 + 1 }
  await refused(t, here, await lie({ ...index, entries: [huge, two] }), 'DD-BUNDLE-010', 'a piece over its limit')
  const twoVolumes = (first: number) => (same: typeof manifest) => ({ ...same, volumes: [{ firstEntry: 0, entries: first, payloadSize: first === 0 ? 0 : same.totals.bytes }, { firstEntry: first, entries: 2 - first, payloadSize: first === 0 ? same.totals.bytes : 0 }] })
  await refused(t, here, await lie(index, twoVolumes(2)), 'DD-BUNDLE-012', 'a volume of nothing')
  await stillImports(t, here)
})
