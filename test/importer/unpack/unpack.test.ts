import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { digestOf, digestOfFile, hexOf } from '../../../appliance/core/digest.ts'
import { openVolume, unpackVolume } from '../../../importer/unpack/index.ts'
import { loadTrust, verifyIndex, verifyManifest } from '../../../importer/verify/index.ts'
import { bundleOf, person, trustOf } from '../../support/bundles.ts'

/** The machine may be busy with other tests. */
t.setTimeout(240_000)

const MIB = 1024 * 1024
const ana = await person('Ana')
const trust = await loadTrust(trustOf([ana]))

await t.test('one pass keeps what is new, checks what is held, and needs no more memory for more bytes', async t => {
  const folder = t.testdir()
  const large = randomBytes(160 * MIB)
  const files = { large, small: 'small', held: 'held already', empty: '' }
  const { file } = await bundleOf({ folder, files, signers: [ana.signer] })
  const staging = join(folder, 'staging')
  mkdirSync(staging)
  const volume = await openVolume(file)
  try {
    const verified = await verifyManifest(volume.head, { trust, now: new Date() })
    const { parts, payloadOffset } = await volume.indexParts(verified)
    const seen: number[] = []
    const unpacked = await unpackVolume({
      verified, index: verifyIndex(verified, parts), volume: 1, media: await volume.payload(payloadOffset), staging, holds: digest => digest === digestOf('held already'), progress: done => seen.push(done),
    })
    t.match(unpacked, { bytes: large.length + 17, kept: large.length + 5 })
    t.ok(unpacked.peakKiB < 150 * 1024, `the confined process had ${Math.round(unpacked.peakKiB / 1024)} MiB at most`)
    t.same(readdirSync(staging).toSorted(), ['', 'small', large].map(bytes => hexOf(digestOf(bytes))).toSorted())
    t.equal((await digestOfFile(join(staging, hexOf(digestOf(large))))).digest, digestOf(large))
    t.equal(statSync(join(staging, hexOf(digestOf('small')))).mode & 0o777, 0o600)
    t.same(seen, seen.toSorted((a, b) => a - b), 'progress only rises')
    t.equal(seen.at(-1), large.length + 17)
  } finally {
    await volume.close()
  }
})

await t.test('chunks are unfolded in their place, with no more memory for more of them', async t => {
  const folder = t.testdir({ staging: {} })
  const image = randomBytes(64 * MIB)
  for (let k = 0; k < image.length; k++) image[k]! &= 0x1f
  const { file, manifest } = await bundleOf({ folder, files: { image, sparse: Buffer.concat([image.subarray(0, MIB), Buffer.alloc(64 * MIB)]) }, signers: [ana.signer] })
  t.ok(manifest.totals.bytes < 0.8 * image.length, `${manifest.totals.bytes} bytes`)
  const volume = await openVolume(file)
  try {
    const verified = await verifyManifest(volume.head, { trust, now: new Date() })
    const { parts, payloadOffset } = await volume.indexParts(verified)
    const unpacked = await unpackVolume({ verified, index: verifyIndex(verified, parts), volume: 1, media: await volume.payload(payloadOffset), staging: join(folder, 'staging'), holds: () => false })
    t.match(unpacked, { bytes: manifest.totals.bytes, kept: 129 * MIB })
    t.ok(unpacked.peakKiB < 150 * 1024, `the confined process had ${Math.round(unpacked.peakKiB / 1024)} MiB at most`)
    t.equal((await digestOfFile(join(folder, 'staging', `${hexOf(digestOf(image))}.joining`))).digest, digestOf(image))
  } finally {
    await volume.close()
  }
})

await t.test('cancelling ends the confined process at once', async t => {
  const folder = t.testdir({ staging: {} })
  const { file } = await bundleOf({ folder, files: { large: Buffer.alloc(64 * MIB) }, signers: [ana.signer] })
  const volume = await openVolume(file)
  try {
    const verified = await verifyManifest(volume.head, { trust, now: new Date() })
    const { parts, payloadOffset } = await volume.indexParts(verified)
    const stop = new AbortController()
    const unpacking = unpackVolume({ verified, index: verifyIndex(verified, parts), volume: 1, media: await volume.payload(payloadOffset), staging: join(folder, 'staging'), holds: () => false, signal: stop.signal, progress: () => stop.abort() })
    await t.rejects(unpacking, { code: 'DD-CORE-007' })
  } finally {
    await volume.close()
  }
})
