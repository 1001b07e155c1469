import t from 'tap'
import { digestOf, hexOf, type Digest } from '../../../appliance/core/digest.ts'
import { blobsMissing } from '../../../bundles/format/brought.ts'
import { encodeIndex, parseIndex, type Index } from '../../../bundles/format/index-file.ts'
import { itemKey, type Item } from '../../../bundles/format/item.ts'
import { INDEX_PART_BYTES } from '../../../bundles/format/limits.ts'
import { encodeManifest, parseManifest, rolesNeeded, volumeName } from '../../../bundles/format/manifest-file.ts'
import type { Manifest } from '../../../bundles/format/manifest.ts'

function indexOf(count: number): Index {
  const items = Array.from({ length: count }, (_, k): Item => {
    const digest = digestOf(String(k))
    return { kind: 'file', name: `file-${k}`, version: '1', metadata: { path: 'x'.repeat(200) }, blobs: [{ name: 'content', digest, size: String(k).length }], source: 'pkg:generic/x' }
  }).toSorted((a, b) => (itemKey(a) < itemKey(b) ? -1 : 1))
  return { items, entries: items.map(({ blobs: [blob] }) => ({ name: `blobs/${hexOf(blob!.digest as Digest)}`, digest: blob!.digest, size: blob!.size, volume: 1 })) }
}

function manifestOf(index: Index, parts: ReturnType<typeof encodeIndex>): Manifest {
  const bytes = index.entries.reduce((sum, { size }) => sum + size, 0)
  return {
    format: 'drydock-bundle/1', product: 'drydock', name: 'demo', site: 'site-a', stream: 'demo', workspace: 'w', epoch: 0, sequence: 7, created: '2026-01-01T00:00:00Z',
    index: parts.map(({ part }) => part), volumes: [{ firstEntry: 0, entries: index.entries.length, payloadSize: bytes }], totals: { entries: index.entries.length, bytes, items: { file: index.items.length } },
  }
}

await t.test('a large index is split into parts that each fit in memory, and read again', async t => {
  const index = indexOf(20_000)
  const parts = encodeIndex(index)
  t.ok(parts.length > 1, `${parts.length} parts`)
  t.ok(parts.every(({ part }) => part.contentSize <= INDEX_PART_BYTES))
  const manifest = parseManifest(encodeManifest(manifestOf(index, parts)))
  t.strictSame(parseIndex(manifest, parts.map(({ bytes }) => bytes)), index)
  t.throws(() => parseIndex(manifest, parts.map(({ bytes }) => bytes).toReversed()), { code: 'DD-BUNDLE-012' })
  t.throws(() => parseIndex(manifest, []), { code: 'DD-BUNDLE-012' })
})

await t.test('a delta names what the receiver must hold', async t => {
  const index = indexOf(3)
  const delta = { ...index, entries: index.entries.slice(1) }
  const parts = encodeIndex(delta)
  const manifest = { ...manifestOf(delta, parts), base: digestOf('receipt') }
  const parsed = parseIndex(manifest, parts.map(({ bytes }) => bytes))
  t.same([...blobsMissing(parsed, () => false)], [[index.entries[0]!.digest, 'file:file-0@1']])
  t.same([...blobsMissing(parsed, digest => digest === index.entries[0]!.digest)], [])
})

await t.test('what a bundle holds decides who must sign it', async t => {
  const needed = (items: Record<string, number>) => rolesNeeded({ totals: { entries: 0, bytes: 0, items } })
  t.same(needed({ npm: 3, deb: 1 }), ['release'])
  t.same(needed({}), ['release'])
  t.same(needed({ recall: 1 }), ['recall'])
  t.same(needed({ trust: 1 }), ['root'])
  t.same(needed({ trust: 1, recall: 1, npm: 1 }), ['root', 'release', 'recall'])
  t.equal(volumeName({ name: 'site-a', sequence: 7, volumes: [{ firstEntry: 0, entries: 0, payloadSize: 0 }] }, 1), 'site-a-0007.v1-of-1.drydock')
})
