import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
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
    t.equal(statSync(join(staging, hexOf(digestOf('small')))).mode & 0o777, 0o440)
    t.same(seen, seen.toSorted((a, b) => a - b), 'progress only rises')
    t.equal(seen.at(-1), large.length + 17)
  } finally {
    await volume.close()
  }
})

/** Files of 1 MiB, so that the middle of the bundle lies between two of them. */
const many = Object.fromEntries(Array.from({ length: 80 }, (_none, k) => [`many/${k}`, randomBytes(MIB + k)]))

await t.test('a large volume is read by two processes, each from its own half on, and what is wrong in either is told', async t => {
  const folder = t.testdir({ staging: {}, damaged: {} })
  const { file } = await bundleOf({ folder, files: many, signers: [ana.signer] })
  const run = async (path: string, readers: 1 | 2, staging: string): Promise<Awaited<ReturnType<typeof unpackVolume>>> => {
    const volume = await openVolume(path)
    try {
      const verified = await verifyManifest(volume.head, { trust, now: new Date() })
      const { parts, payloadOffset } = await volume.indexParts(verified)
      return await unpackVolume({ verified, index: verifyIndex(verified, parts), volume: 1, media: { ...(await volume.payload(payloadOffset)), readers }, staging, holds: () => false })
    } finally {
      await volume.close()
    }
  }
  const bytes = Object.values(many).reduce((sum, { length }) => sum + length, 0)
  for (const readers of [1, 2] as const) {
    const staging = join(folder, `staging/${readers}`)
    mkdirSync(staging)
    t.match(await run(file, readers, staging), { bytes, kept: bytes })
    t.same(readdirSync(staging).toSorted(), Object.values(many).map(content => hexOf(digestOf(content))).toSorted(), `by ${readers}`)
    for (const name of readdirSync(staging)) if ((await digestOfFile(join(staging, name))).digest !== `sha256:${name}`) t.fail(name)
  }
  const good = readFileSync(file)
  const damage: [string, (copy: Buffer) => Buffer, string][] = [
    ['a byte in the first half', copy => flipped(copy, Math.floor(copy.length / 4)), 'DD-BUNDLE-008'],
    ['a byte in the second half', copy => flipped(copy, copy.length - 600 * 1024), 'DD-BUNDLE-008'],
    ['an end in the first half', copy => copy.subarray(0, Math.floor(copy.length / 3)), 'DD-BUNDLE-005'],
    ['an end in the second half', copy => copy.subarray(0, copy.length - 512 * 1024), 'DD-BUNDLE-005'],
    ['more behind the end', copy => Buffer.concat([copy, Buffer.alloc(512)]), 'DD-BUNDLE-006'],
  ]
  for (const [k, [what, change, code]] of damage.entries()) {
    const path = join(folder, 'damaged', `${k}.drydock`)
    writeFileSync(path, change(Buffer.from(good)))
    const staging = join(folder, `staging/damaged-${k}`)
    mkdirSync(staging)
    await t.rejects(run(path, 2, staging), { code }, what)
    for (const name of readdirSync(staging)) if (statSync(join(staging, name)).size > 2 * MIB) t.fail(`${name} of ${what}`)
  }
})

function flipped(bytes: Buffer, at: number): Buffer {
  bytes[at]! ^= 1
  return bytes
}

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
    t.same(readdirSync(join(folder, 'staging')).filter(name => name.endsWith('.joining')), [], 'what came whole has its name at once')
    t.equal((await digestOfFile(join(folder, 'staging', hexOf(digestOf(image))))).digest, digestOf(image))
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
