import t from 'tap'
import { loadTrust, verifyManifest } from '../../importer/verify/index.ts'
import { trustOf } from '../support/bundles.ts'
import { joined, refused, stillImports, world } from './hostile.ts'

/** The machine may be busy with other tests. */
t.setTimeout(240_000)

await t.test('no byte of manifest and signatures can be changed unnoticed', async t => {
  const here = await world(t)
  const { entries } = await here.good()
  const trust = await loadTrust(trustOf([here.ana, here.jon]))
  const now = new Date()
  const good = { manifest: entries[0]!.body, signatures: entries[1]!.body.toString('latin1') }
  t.equal((await verifyManifest(good, { trust, now })).signers.length, 2)
  const codes = new Set<string>()
  let accepted = 0
  let tried = 0
  const attempt = async (head: typeof good): Promise<void> => {
    tried++
    try {
      await verifyManifest(head, { trust, now })
      accepted++
    } catch (failure) {
      codes.add((failure as { code?: string }).code ?? String(failure))
    }
  }
  for (let at = 0; at < good.manifest.length; at++) {
    const manifest = Buffer.from(good.manifest)
    manifest[at]! ^= 1 << (at % 8)
    await attempt({ ...good, manifest })
  }
  const bytes = Buffer.from(good.signatures, 'latin1')
  for (let at = 0; at < bytes.length; at++) {
    for (const mask of [1 << (at % 8), 0x20, 0xff]) {
      const flipped = Buffer.from(bytes)
      flipped[at]! ^= mask
      await attempt({ ...good, signatures: flipped.toString('latin1') })
    }
  }
  for (let length = 0; length < bytes.length; length += 7) await attempt({ ...good, signatures: good.signatures.slice(0, length) })
  t.comment(`${tried} changes, ${accepted} accepted`)
  t.equal(accepted, 0)
  t.same([...codes].filter(code => !code.startsWith('DD-TRUST-')), [], 'every refusal is about trust, none is a fault')

  const flip = (k: number, at: number) => joined(entries.map((each, i) => (i === k ? { ...each, body: Buffer.from(each.body.map((byte, j) => (j === at ? byte ^ 1 : byte))) } : each)))
  await refused(t, here, flip(0, 30), 'DD-TRUST-005', 'one bit of the manifest, through the whole import')
  await refused(t, here, flip(1, 60), 'DD-TRUST-002', 'one bit of a signature')
  await refused(t, here, flip(2, 9), 'DD-BUNDLE-012', 'one bit of the index')
  await refused(t, here, flip(3, 1), 'DD-BUNDLE-008', 'one bit of a payload')
  await stillImports(t, here)
})
