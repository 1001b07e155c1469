import { randomBytes } from 'node:crypto'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { constants, zstdCompressSync } from 'node:zlib'
import t from 'tap'
import { digestOf, hexOf, type Digest } from '../../appliance/core/digest.ts'
import { canonicalJson } from '../../bundles/format/canonical-json.ts'
import type { Index } from '../../bundles/format/index-file.ts'
import type { BlobPart, Item } from '../../bundles/format/item.ts'
import { CHUNK_BYTES, CHUNK_STORED_BYTES } from '../../bundles/format/limits.ts'
import type { Manifest } from '../../bundles/format/manifest.ts'
import { unfold } from '../../importer/unpack/zstd-frame.ts'
import { entry, joined, refused, sealed, sealedIndex, stillImports, world, type RawEntry, type World } from './hostile.ts'

/** The machine may be busy with other tests. */
t.setTimeout(280_000)

const CONTENT = Buffer.from('what the chunk is to unfold to, '.repeat(100))
const good = frameOf(CONTENT)

function frameOf(content: Uint8Array): Buffer {
  return zstdCompressSync(content, { chunkSize: 4 * CHUNK_BYTES, params: { [constants.ZSTD_c_checksumFlag]: 0 } })
}

const BLOCK = { raw: 0, rle: 1, reserved: 3 } as const
/** A block header (RFC 8878, 3.1.1.2), and what stands behind it. */
function block(type: keyof typeof BLOCK, size: number, body: Uint8Array, last = true): Buffer {
  const header = Buffer.alloc(3)
  header.writeUIntLE((size << 3) | (BLOCK[type] << 1) | Number(last), 0, 3)
  return Buffer.concat([header, body])
}

/** A frame header that says anything: single segment with four bytes of size unless told otherwise. */
function frame(size: number, blocks: readonly Uint8Array[], descriptor = 0xa0, between: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, descriptor])
  const sizeBytes = Buffer.alloc(4)
  sizeBytes.writeUInt32LE(size)
  return Buffer.concat([head, between, sizeBytes, ...blocks])
}

const skippable = Buffer.concat([Buffer.from([0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0]), Buffer.from('skip')])

type Made = { index: Index; payload: RawEntry[] }

/** An item of one blob that is made of these frames, as the index says they unfold. */
function chunked(frames: readonly Buffer[], says: readonly Buffer[], blob: Buffer = Buffer.concat(says), size = blob.length): Made {
  const entries = frames.map(bytes => ({ name: `chunks/${hexOf(digestOf(bytes))}`, digest: digestOf(bytes), size: bytes.length, volume: 1 }))
  const parts = entries.map(({ name }, k): BlobPart => ({ entry: name, content: { digest: digestOf(says[k]!), size: says[k]!.length } }))
  return { index: { entries, items: [itemOf(digestOf(blob), size, parts)] }, payload: frames.map(bytes => entry(`chunks/${hexOf(digestOf(bytes))}`, bytes)) }
}

function itemOf(digest: Digest, size: number, parts?: BlobPart[]): Item {
  return { kind: 'file', name: 'image', version: '1', metadata: { path: 'image' }, blobs: [{ name: 'content', digest, size, ...(parts === undefined ? {} : { parts }) }], source: 'pkg:generic/image@1' }
}

type Change = (manifest: Manifest) => Manifest

async function seal({ good: build, signers }: World, { index, payload }: Made, change: Change = same => same): Promise<Buffer> {
  const { entries, manifest } = await build({ files: { a: 'a' } })
  const volume = await sealedIndex(entries.slice(0, 3), manifest, index, signers, change)
  return joined([...volume, ...payload])
}

await t.test('a chunk whose bytes are the signed ones is unfolded only when they are exactly one frame of the signed size', async t => {
  const here = await world(t)
  // The function that the confined process calls, for every trick; and a whole import for those that are told apart elsewhere.
  const unfolds = (bytes: Buffer, why: string, says: Buffer = CONTENT): void => void t.throws(() => unfold('chunks/x', bytes, says.length), { code: 'DD-BUNDLE-030' }, why)
  const lies = async (frames: readonly Buffer[], why: string, says: readonly Buffer[] = [CONTENT]): Promise<void> => {
    await refused(t, here, await seal(here, chunked(frames, says)), 'DD-BUNDLE-030', why)
    const { message } = here.site.imports.list()[0]!.error!
    t.match(message, /\(a chunk of file:image@1\)$/, `${why}: names the item`)
  }
  const n = CONTENT.length
  await lies([good], 'other bytes of the same length', [Buffer.alloc(n, 'x')])
  await lies([good], 'more than signed', [CONTENT.subarray(0, 100)])
  unfolds(good, 'less than signed', Buffer.concat([CONTENT, CONTENT]))
  await lies([frame(n, [block('rle', 100_000, Buffer.from('x'))])], 'a header that says the signed size, and a block of more')
  unfolds(frame(n, [block('rle', 10, Buffer.from('x'))]), 'and a block of less')
  await lies([frame(n, Array.from({ length: 4000 }, (_, k) => block('rle', 131_072, Buffer.alloc(1), k === 3999)))], 'a bomb: 500 MiB in 16 KB')
  unfolds(Buffer.from('this is not zstd at all'), 'no zstd')
  unfolds(Buffer.alloc(0), 'nothing')
  await lies([Buffer.concat([skippable, good])], 'a skippable frame before')
  unfolds(Buffer.concat([good, skippable]), 'a skippable frame after')
  unfolds(skippable, 'nothing but a skippable frame')
  await lies([Buffer.concat([good, good])], 'two frames')
  unfolds(Buffer.concat([frameOf(CONTENT.subarray(0, 1000)), frameOf(CONTENT.subarray(1000))]), 'two frames that are the content together')
  unfolds(Buffer.concat([good, Buffer.from('x')]), 'a byte more')
  for (const cut of [3, 5, 8, 12, good.length - 1]) unfolds(good.subarray(0, cut), `cut off after ${cut} bytes`)
  unfolds(frame(n, [block('raw', n, CONTENT)], 0xa1, Buffer.from([7])), 'a dictionary id')
  unfolds(zstdCompressSync(CONTENT, { params: { [constants.ZSTD_c_checksumFlag]: 1 } }), 'a checksum')
  unfolds(frame(n, [block('raw', n, CONTENT)], 0xa8), 'the reserved bit')
  await lies([frame(n, [block('raw', n, CONTENT)], 0x80, Buffer.from([0xff]))], 'a window of 3.75 TiB')
  unfolds(frame(n, [block('raw', n, CONTENT)], 0x80, Buffer.from([0x70])), 'a window of 16 MiB')
  unfolds(Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0x58]), block('raw', n, CONTENT)]), 'no size at all')
  unfolds(frame(n, [block('reserved', n, CONTENT)]), 'a reserved block')
  unfolds(frame(n, [block('raw', n, CONTENT, false)]), 'no last block')
  unfolds(frameOf(good), 'a frame in a frame')
  await refused(t, here, await seal(here, { ...chunked([good], [CONTENT]), payload: [entry(`chunks/${hexOf(digestOf(good))}`, frame(good.length - 12, [block('raw', good.length - 12, Buffer.alloc(good.length - 12))]))] }), 'DD-BUNDLE-008', 'bytes that were not signed are not unfolded')
  t.equal(frame(n, [block('raw', n, CONTENT)]).length, n + 12, 'the frames made here are frames')
  const record = await here.site.importBundle(writeTo(here, await seal(here, chunked([frame(n, [block('raw', n, CONTENT)]), good], [CONTENT, CONTENT]))))
  t.match(record, { state: 'imported' }, 'and this one is fine')
  t.ok((await here.site.store.blobs.read(digestOf(Buffer.concat([CONTENT, CONTENT])))).equals(Buffer.concat([CONTENT, CONTENT])))
  await stillImports(t, here, { sequence: 2 })
})

function writeTo({ folder }: World, volume: Buffer): string {
  const path = `${folder}/chunked-${hexOf(digestOf(volume)).slice(0, 8)}.drydock`
  writeFileSync(path, volume)
  return path
}

await t.test('an index that lies about chunks is refused, with the item named', async t => {
  const here = await world(t)
  const plain = chunked([good], [CONTENT])
  const [item] = plain.index.items as [Item]
  const [chunk] = plain.index.entries as [Index['entries'][0]]
  const part = item.blobs[0]!.parts![0] as BlobPart & { content: { digest: Digest; size: number } }
  const lie = async (index: Index, why: string, code: Parameters<typeof refused>[3] = 'DD-BUNDLE-012', change?: Change): Promise<void> => refused(t, here, await seal(here, { ...plain, index }, change), code, why)
  const made = (parts: BlobPart[], size = CONTENT.length): Item => itemOf(digestOf(CONTENT), size, parts)
  await lie({ ...plain.index, items: [made([part, part])] }, 'parts that are longer than the blob')
  await lie({ ...plain.index, items: [made([{ ...part, content: { ...part.content, size: 0 } }], 0)] }, 'a chunk of nothing')
  await lie({ ...plain.index, items: [made([{ ...part, content: { ...part.content, size: CHUNK_BYTES + 1 } }], CHUNK_BYTES + 1)] }, 'a chunk that announces more than the limit')
  await lie({ ...plain.index, entries: [{ ...chunk, size: CHUNK_STORED_BYTES + 1 }] }, 'a chunk that takes more than the limit', 'DD-BUNDLE-010')
  await lie({ ...plain.index, items: [made([part, { ...part, content: { ...part.content, digest: digestOf('other') } }], 2 * CONTENT.length)] }, 'one chunk with two contents')
  await lie({ entries: [], items: [made([part])] }, 'a chunk that nothing brings')
  await lie({ entries: [{ ...chunk, name: chunk.name.replace('chunks', 'blobs') }], items: [made([{ ...part, entry: chunk.name.replace('chunks', 'blobs') }])] }, 'a whole blob that is to be unfolded')
  await lie({ entries: [{ ...chunk, name: chunk.name.replace('chunks', 'pieces') }], items: [made([{ ...part, entry: chunk.name.replace('chunks', 'pieces') }])] }, 'a piece that is to be unfolded')
  await lie({ ...plain.index, items: [itemOf(digestOf(CONTENT), good.length, [{ entry: chunk.name, digest: chunk.digest, size: chunk.size }])] }, 'a chunk that is to be taken as it is')
  const copy = { from: digestOf('something'), offset: 0, size: CONTENT.length }
  await lie({ entries: [], items: [made([copy])] }, 'a copy in a bundle that stands on nothing')
  const based: Change = manifest => ({ ...manifest, base: digestOf('base') })
  await lie({ ...plain.index, items: [made([part, { ...copy, size: 0 }])] }, 'a copy of nothing', 'DD-BUNDLE-012', based)
  await lie({ ...plain.index, items: [made([part, { ...copy, offset: Number.MAX_SAFE_INTEGER }], 2 * CONTENT.length)] }, 'a copy that ends beyond all numbers', 'DD-BUNDLE-012', based)
  await lie({ ...plain.index, items: [made([part, { ...copy, from: digestOf(CONTENT) }], 2 * CONTENT.length)] }, 'a copy of itself', 'DD-BUNDLE-012', based)

  const { entries, manifest } = await here.good({ files: { a: 'a' } })
  const lines = async (all: readonly object[], why: string): Promise<void> => {
    const text = Buffer.from(all.map(line => `${canonicalJson(line)}\n`).join(''))
    const bytes = zstdCompressSync(text)
    const index = [{ name: 'index/0', digest: digestOf(bytes), size: bytes.length, contentSize: text.length, entries: all.filter(line => 'entry' in line).length, items: all.filter(line => 'item' in line).length }]
    const next = { ...manifest, index, volumes: [{ firstEntry: 0, entries: index[0]!.entries, payloadSize: good.length }], totals: { entries: index[0]!.entries, bytes: good.length, items: { file: index[0]!.items } } }
    await refused(t, here, joined([...(await sealed([entries[0]!, entries[1]!, entry('index/0', bytes)], next, here.signers)), ...plain.payload]), 'DD-BUNDLE-012', why)
  }
  const [whole, parts, bare] = [{ entry: chunk }, { parts: { blob: digestOf(CONTENT), list: [part] } }, { item: itemOf(digestOf(CONTENT), CONTENT.length) }]
  const other = { parts: { blob: digestOf('other'), list: [part] } }
  await lines([whole, { item }], 'chunks at the item instead of in lines of their own')
  await lines([whole, bare, parts], 'parts after items')
  await lines([parts, whole, bare], 'parts before entries')
  await lines([whole, parts, other, bare], 'parts of a blob that no item has')
  await lines([whole, parts, other, parts, bare], 'parts of one blob in two places')
  await lines([whole, parts, { item: { ...bare.item, blobs: [{ ...bare.item.blobs[0]!, parts: [] }] } }], 'two lists of parts')
  await stillImports(t, here)
})

await t.test('a delta that lies about what it copies ends in a clear refusal, and what the site holds stays as it is', async t => {
  const here = await world(t)
  const { site } = here
  const old = randomBytes(300_000)
  await stillImports(t, here, { files: { old } })
  const next = Buffer.concat([CONTENT, old.subarray(1000)])
  const from = digestOf(old)
  const delta: Change = manifest => ({ ...manifest, base: digestOf('receipt'), sequence: 2 })
  const of = (copies: BlobPart[], size = next.length): Made => {
    const made = chunked([good], [CONTENT], next, size)
    return { ...made, index: { ...made.index, items: [itemOf(digestOf(next), size, [...made.index.items[0]!.blobs[0]!.parts!, ...copies])] } }
  }
  const right = { from, offset: 1000, size: old.length - 1000 }
  const lie = async (copies: BlobPart[], code: Parameters<typeof refused>[3], why: string, says: RegExp, size?: number): Promise<void> => {
    await refused(t, here, await seal(here, of(copies, size), delta), code, why)
    t.match(site.imports.list()[0]!.error!.message, says, `${why}: says what`)
  }
  await lie([{ ...right, offset: 999 }], 'DD-BUNDLE-012', 'a copy from another place', /the parts of sha256:.+ of file:image@1 to make it/)
  await lie([{ ...right, offset: 1001 }], 'DD-BUNDLE-012', 'a copy beyond the end', /of which file:image@1 has 299000 bytes from 1001 on, to be that long, found its end at 300000/)
  await lie([{ ...right, offset: 2 ** 40 }], 'DD-BUNDLE-012', 'a copy far beyond the end', /its end at 1099511627776/)
  await lie([{ ...right, size: 1000 }, { ...right, offset: 2000, size: old.length - 2000 }].toReversed(), 'DD-BUNDLE-012', 'copies in another order', /to make it/)
  await lie([{ ...right, size: 2 ** 50 }], 'DD-IMPORT-012', 'a copy larger than any disk', /free for/, 2 ** 50 + CONTENT.length)

  const file = site.store.blobs.blobPath(from)
  const before = readFileSync(file)
  const rotten = Buffer.from(before)
  rotten[5000]! ^= 1
  chmodSync(file, 0o640)
  writeFileSync(file, rotten)
  await lie([right], 'DD-IMPORT-030', 'a held blob that rotted', /the bytes of sha256:.+ in the blob store, of which file:image@1 is to be made/)
  writeFileSync(file, before)
  chmodSync(file, 0o440)

  t.match(await site.importBundle(writeTo(here, await seal(here, of([right]), delta))), { state: 'imported', error: null }, 'without a lie it comes in')
  t.ok((await site.store.blobs.read(digestOf(next))).equals(next))
  await stillImports(t, here, { sequence: 3 })
})

