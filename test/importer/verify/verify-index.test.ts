import { join } from 'node:path'
import t from 'tap'
import { fileSource, readHead, readIndexParts, readVolume } from '../../../bundles/archive/index.ts'
import { open } from 'node:fs/promises'
import { loadTrust, rememberingVerifyIndex, verifyManifest } from '../../../importer/verify/index.ts'
import type { VerifiedManifest } from '../../../bundles/format/verified.ts'
import { bundleOf, fileItems, person, trustOf } from '../../support/bundles.ts'

t.setTimeout(120_000)

const ana = await person('Ana')
const trust = await loadTrust(trustOf([ana]))

async function bundle(folder: string, items: number, note: number): Promise<{ verified: VerifiedManifest; parts: Buffer[] }> {
  const [item] = fileItems(join(folder, 'blobs'), { one: 'one' })
  const many = Array.from({ length: items }, (_, k) => ({ ...item!, name: `file-${String(k).padStart(6, '0')}`, metadata: { path: `file-${k}`, note: `${note}`.padEnd(400, 'x') } }))
  const { file } = await bundleOf({ folder, items: many, signers: [ana.signer], sequence: note })
  const handle = await open(file)
  try {
    const volume = readVolume(fileSource(handle))
    const verified = await verifyManifest(await readHead(volume), { trust, now: new Date() })
    return { verified, parts: await readIndexParts(volume, verified.manifest.index) }
  } finally {
    await handle.close()
  }
}

await t.test('the last large index is remembered; a small one leaves it alone, and only its own end forgets it', async t => {
  const folder = t.testdir()
  const [large, other, small] = [await bundle(join(folder, 'a'), 8_000, 1), await bundle(join(folder, 'b'), 8_000, 2), await bundle(join(folder, 'c'), 3, 3)]
  const { verifyIndex, forget } = rememberingVerifyIndex()
  const first = verifyIndex(large.verified, large.parts)
  t.equal(verifyIndex(large.verified, large.parts), first, 'the same one again')
  t.equal(verifyIndex(small.verified, small.parts).items.length, 3)
  forget(small.verified.digest)
  t.equal(verifyIndex(large.verified, large.parts), first)
  const second = verifyIndex(other.verified, other.parts)
  t.not(second, first)
  t.match(second.items[0]?.metadata, { note: /^2x/ }, 'two that alternate get each its own')
  const again = verifyIndex(large.verified, large.parts)
  t.not(again, first)
  t.same(again.items[7_999], first.items[7_999])
  t.throws(() => verifyIndex(large.verified, other.parts), { code: 'DD-BUNDLE-012' }, 'and never what other bytes gave')
})
