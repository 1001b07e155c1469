import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { digestOf, hexOf } from '../../../appliance/core/digest.ts'
import { runProgram } from '../../../appliance/core/run-program.ts'
import { deadUrl } from './support/loopback.ts'
import { startRegistry } from './support/registry.ts'
import { collectFault, runCollect } from './support/run-collect.ts'

const folder = t.testdir()
const registry = await startRegistry(folder)
t.teardown(() => registry.stop())

t.setTimeout(240_000)

await t.test('an image comes from its registry with its digest unchanged, every part named by its digest', async t => {
  const { lock } = await runCollect(t.testdir(), { oci: [{ reference: '${IMAGE}', as: 'demo/tools:1' }] }, { environment: { IMAGE: registry.reference } })
  const [item] = lock.items
  t.match(item, { kind: 'oci', name: 'demo/tools', version: '1', metadata: { digest: registry.digest, mediaType: 'application/vnd.oci.image.manifest.v1+json' } })
  t.strictSame(item!.blobs.map(blob => blob.name), ['manifest', 'config', 'layer-1', 'layer-2'])
  t.notMatch(JSON.stringify(lock), registry.reference.split('/')[0]!, 'where it was fetched from is not told')
})

await t.test('by reference, by digest, from a layout and from an archive it is the same image', async t => {
  const here = t.testdir()
  const tar = join(here, 'image.tar')
  await runProgram('skopeo', { args: ['copy', '--quiet', '--preserve-digests', `oci:${registry.layout}:1`, `oci-archive:${tar}:1`] })
  const byDigest = `${registry.reference.replace(/:1$/, '')}@${registry.digest}`
  const { lock } = await runCollect(here, {
    oci: [{ reference: byDigest, as: 'a/digest:1' }, { layout: registry.layout, tag: '1', as: 'a/layout:1' }, { archive: tar, as: 'an/archive:1' }, { reference: registry.reference }],
  })
  t.strictSame(lock.items.map(item => item.name), ['a/digest', 'a/layout', 'an/archive', 'demo/tools'])
  t.ok(lock.items.every(item => item.metadata['digest'] === registry.digest))
  const [first] = lock.items
  t.ok(lock.items.every(item => JSON.stringify(item.blobs) === JSON.stringify(first!.blobs)))
})

await t.test('a second collect fetches no layer again', async t => {
  const here = t.testdir()
  const wish = { oci: [{ reference: registry.reference, as: 'demo/tools:1' }] }
  const first = await runCollect(here, wish)
  const second = await runCollect(here, wish)
  t.ok(first.fetchedBytes > 0)
  t.equal(second.fetchedBytes, 0)
  t.equal(second.lockDigest, first.lockDigest)
})

await t.test('an image that the registry does not have is named', async t => {
  const fault = await collectFault(t.testdir(), { oci: [{ reference: registry.reference.replace('tools:1', 'nothing:7'), as: 'demo/nothing:7' }] })
  t.equal(fault.code, 'DD-COLLECT-006')
  t.match(fault.message, /demo\/nothing:7/)
})

await t.test('a registry that cannot be reached is told as such, and can be tried again', async t => {
  const fault = await collectFault(t.testdir(), { oci: [{ reference: `${new URL(await deadUrl()).host}/demo/tools:1` }] })
  t.equal(fault.code, 'DD-COLLECT-005')
})

await t.test('a layer with other bytes is refused', async t => {
  const layout = await copyOf(t.testdir(), manifest => manifest)
  const manifest = JSON.parse(await readFile(join(layout.folder, 'blobs/sha256', layout.hex), 'utf8')) as { layers: { digest: string }[] }
  await writeFile(join(layout.folder, 'blobs/sha256', manifest.layers[0]!.digest.slice(7)), 'rot')
  const fault = await collectFault(join(layout.folder, 'c'), { oci: [{ layout: layout.folder, tag: '1', as: 'a/b:1' }] })
  t.equal(fault.code, 'DD-COLLECT-004')
})

await t.test('a layer that lies elsewhere is refused', async t => {
  const layout = await copyOf(t.testdir(), manifest => ({ ...manifest, layers: manifest.layers.map(layer => ({ ...layer, urls: ['https://example.invalid/layer'] })) }))
  const fault = await collectFault(join(layout.folder, 'c'), { oci: [{ layout: layout.folder, tag: '1', as: 'a/b:1' }] })
  t.equal(fault.code, 'DD-COLLECT-013')
})

await t.test('what is no image manifest is refused', async t => {
  const layout = await copyOf(t.testdir(), () => ({ mediaType: 'application/x-else', layers: [] }))
  const fault = await collectFault(join(layout.folder, 'c'), { oci: [{ layout: layout.folder, tag: '1', as: 'a/b:1' }] })
  t.equal(fault.code, 'DD-COLLECT-013')
})

type Manifest = { mediaType: string; layers: { digest: string; urls?: string[] }[] }

/** The layout with another manifest in it, named by its own digest as it must be. */
async function copyOf(here: string, change: (manifest: Manifest) => object): Promise<{ folder: string; hex: string }> {
  const copy = join(here, 'layout')
  await runProgram('cp', { args: ['-r', registry.layout, copy] })
  const old = await readFile(join(copy, 'blobs/sha256', registry.digest.slice(7)))
  const bytes = Buffer.from(JSON.stringify(change(JSON.parse(old.toString()) as Manifest)))
  const index = JSON.parse(await readFile(join(copy, 'index.json'), 'utf8')) as { manifests: [object] }
  const digest = digestOf(bytes)
  await writeFile(join(copy, 'blobs/sha256', hexOf(digest)), bytes)
  await writeFile(join(copy, 'index.json'), JSON.stringify({ ...index, manifests: [{ ...index.manifests[0], digest, size: bytes.length }] }))
  return { folder: copy, hex: hexOf(digest) }
}
