import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { digestOf, hexOf } from '../../appliance/core/digest.ts'
import type { Manifest } from '../../bundles/format/manifest.ts'
import { bundleOf } from '../support/bundles.ts'
import { entry, joined, refused, sealed, split, stillImports, world } from './hostile.ts'

/** The machine may be busy with other tests. */
t.setTimeout(240_000)

const files = { a: Buffer.alloc(30_000, 'a'), b: randomBytes(40_001), c: randomBytes(20_000) }

await t.test('a manifest that announces parity which cannot be is refused, though it is signed', async t => {
  const here = await world(t)
  const { volumes, manifest } = await bundleOf({ folder: join(here.folder, 'set'), signers: here.signers, files, volumeBytes: 130 * 1024, parity: 2 })
  const entries = split(readFileSync(volumes.at(-1)!.file))
  const [one] = manifest.parity!
  const lie = async (parity: unknown): Promise<Buffer> => joined(await sealed(entries, { ...manifest, parity }, here.signers))
  await refused(t, here, await lie([{ ...one!, size: one!.size + 1 }]), 'DD-BUNDLE-012', 'a shard larger than the largest volume')
  await refused(t, here, await lie([{ ...one!, slices: one!.slices.slice(1) }]), 'DD-BUNDLE-012', 'slices that are not the shard')
  await refused(t, here, await lie([{ ...one!, size: 2 ** 52, slices: [{ ...one!.slices[0]!, size: 256 * 1024 * 1024 }] }]), 'DD-BUNDLE-012', 'a shard of four pebibytes')
  await refused(t, here, await lie([{ ...one!, slices: [{ ...one!.slices[0]!, size: 2 ** 40 }] }]), 'DD-CORE-009', 'a slice of one tebibyte')
  await refused(t, here, await lie([]), 'DD-CORE-009', 'no parity, said in so many words')
  await refused(t, here, await lie(Array.from({ length: 17 }, () => one)), 'DD-CORE-009', 'seventeen shards')
  await refused(t, here, await lie([{ ...one!, digest: 'sha256:../../etc/passwd' }]), 'DD-CORE-009', 'a digest that is a path')
  await refused(t, here, await lie('two'), 'DD-CORE-009', 'parity that is a word')
  await refused(t, here, joined(await sealed(entries.with(2 + manifest.index.length, entry('parity/9/00000-' + '0'.repeat(64), 'x')), manifest, here.signers)), 'DD-BUNDLE-007', 'a parity volume that is none of the two')
  await stillImports(t, here)
})

await t.test('parity that is signed and is not the parity of its volumes makes nothing: what comes out is compared with the index', async t => {
  const here = await world(t)
  const { volumes, manifest } = await bundleOf({ folder: join(here.folder, 'set'), signers: here.signers, files, volumeBytes: 130 * 1024, parity: 1 })
  t.equal(manifest.volumes.length, 2)
  const garbage = randomBytes(manifest.parity![0]!.size)
  const digest = digestOf(garbage)
  const next: Manifest = { ...manifest, parity: [{ digest, size: garbage.length, slices: [{ digest, size: garbage.length }] }] }
  const head = split(readFileSync(volumes[0]!.file)).slice(0, 2 + manifest.index.length)
  const paths = [split(readFileSync(volumes[0]!.file)), [...head, entry(`parity/1/00000-${hexOf(digest)}`, garbage)]].map((entries, k) => ({ entries, path: join(here.folder, `lie-${k}.drydock`) }))
  for (const { entries, path } of paths) writeFileSync(path, joined(await sealed(entries, next, here.signers)))
  let id = ''
  for (const { path } of paths) id = (await here.site.submit(path)).record.id
  const { operation } = here.site.imports.get(id)
  t.match(await here.site.operations.settled(operation), { state: 'waiting', waitingOn: 'proceed' })
  await here.site.imports.proceed(id, 'olga')
  t.match(await here.site.operations.settled(operation), { state: 'failed' })
  t.match(here.site.imports.get(id), { state: 'failed', error: { code: 'DD-BUNDLE-021' } })
  t.equal(here.site.store.catalogue.current().generation, 0)
  t.match(await here.site.imports.reject(id, 'it lies', 'anton'), { state: 'rejected' })
  await stillImports(t, here)
})
