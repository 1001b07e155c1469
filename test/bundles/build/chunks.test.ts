import { execFileSync } from 'node:child_process'
import { createCipheriv } from 'node:crypto'
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { digestOf, hexOf } from '../../../appliance/core/digest.ts'
import { checkVolume, chunkMapsOf, keepRecord, keepSequence, openSet, openWorkspace, readRecord, type Built } from '../../../bundles/build/index.ts'
import { samePlaces } from '../../../bundles/build/in-place.ts'
import { isUncompressed } from '../../../bundles/build/uncompressed.ts'
import { canonicalJson } from '../../../bundles/format/canonical-json.ts'
import type { Index } from '../../../bundles/format/index-file.ts'
import { CHUNKS } from '../../../bundles/format/index-line.ts'
import { partBytes, type BlobPart } from '../../../bundles/format/item.ts'
import { CHUNK_BYTES } from '../../../bundles/format/limits.ts'
import { bundleOf, fileItems, person } from '../../support/bundles.ts'
import { gpgHome } from '../../support/gpg.ts'

/** The machine may be busy with other tests. */
t.setTimeout(240_000)

const MIB = 1024 * 1024
const ana = await person('Ana Ruiz')

/** Bytes that zstd makes a little smaller, the same ones everywhere. */
function image(length: number, seed: number): Buffer {
  const bytes = createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16)).update(Buffer.alloc(length))
  for (let k = 0; k < bytes.length; k++) bytes[k]! &= 0x3f
  return bytes
}

const old = image(6 * MIB, 1)
const since = { base: digestOf('receipt'), inventory: new Set([digestOf(old)]) }

async function indexOf(built: Built): Promise<Index> {
  const set = await openSet(built.volumes.map(({ file }) => file))
  await set.close()
  return set.volumes[0]!.index
}

async function partsOf(built: Built, name: string): Promise<readonly BlobPart[]> {
  return (await indexOf(built)).items.find(item => item.name === name)?.blobs[0]?.parts ?? []
}

const copied = (parts: readonly BlobPart[]): number => parts.reduce((sum, part) => sum + ('from' in part ? part.size : 0), 0)

await t.test('a large uncompressed blob travels as chunks: smaller, each content once, and the same bytes every time', async t => {
  const folder = t.testdir()
  const files = { img: old, twice: Buffer.concat([Buffer.from('shifted by this'), old]), small: image(MIB, 2), zipped: gzipSync(image(6 * MIB, 3)) }
  const [one, two] = await Promise.all(['one', 'two'].map(name => bundleOf({ folder: join(folder, name), files, signers: [] })))
  t.equal(one!.digest, two!.digest)
  t.ok(one!.size < old.length * 0.9 + files.small.length + files.zipped.length, `${one!.size} bytes`)
  const { entries } = await indexOf(one!)
  t.equal(entries.filter(({ name }) => !name.startsWith(CHUNKS)).length, 2, 'what is small or compressed is whole')
  const [img, twice] = await Promise.all([partsOf(one!, 'img'), partsOf(one!, 'twice')])
  t.ok(img.length > 50 && img.every(part => 'content' in part && part.content.size <= CHUNK_BYTES))
  t.equal(img.reduce((sum, part) => sum + partBytes(part), 0), old.length)
  const named = new Set(img.map(part => ('entry' in part ? part.entry : '')))
  t.equal(twice.filter(part => 'entry' in part && !named.has(part.entry)).length, 1, 'the other blob brings one chunk of its own')
  t.same(readdirSync(join(folder, 'one')).toSorted(), ['blobs', 'out'], 'nothing else is left in the workspace')
})

await t.test('how a blob is known to be uncompressed', async t => {
  const folder = t.testdir()
  const noise = createCipheriv('aes-128-ctr', Buffer.alloc(16, 9), Buffer.alloc(16)).update(Buffer.alloc(5 * MIB))
  const marked = (offset: number, bytes: Buffer): Buffer => {
    const marked = Buffer.from(noise)
    bytes.copy(marked, offset)
    return marked
  }
  const cases: Record<string, [Buffer, boolean]> = {
    noise: [noise, false], zipped: [gzipSync(image(8 * MIB, 4)), false], image: [old, true], zeros: [Buffer.alloc(5 * MIB), true], small: [Buffer.alloc(MIB), false],
    tar: [marked(257, Buffer.from('ustar\0')), true], iso: [marked(32_769, Buffer.from('CD001')), true], disk: [marked(510, Buffer.from([0x55, 0xaa])), true],
    ext4: [marked(1080, Buffer.from([0x53, 0xef])), true], xfs: [marked(0, Buffer.from('XFSB')), true], cpio: [marked(0, Buffer.from('070701')), true],
  }
  for (const [name, [bytes, expected]] of Object.entries(cases)) {
    const path = join(folder, name)
    writeFileSync(path, bytes)
    t.equal(await isUncompressed(path, bytes.length), expected, name)
  }
})

await t.test('a delta brings what changed, wherever it is, and copies the rest', async t => {
  const folder = t.testdir()
  fileItems(join(folder, 'blobs'), { old })
  const scattered = Buffer.from(old)
  for (let k = 0; k < 20; k++) image(4096, 10 + k).copy(scattered, k * 300_000)
  const cases: Record<string, [bytes: Buffer, most: number]> = {
    'bytes at the front': [Buffer.concat([image(5000, 5), old]), 200_000],
    'bytes at the end': [Buffer.concat([old, image(5000, 5)]), 200_000],
    'most of it': [old.subarray(0, 5_000_000), 100_000],
    '20 pages in place': [scattered, 20 * 6000 + 5000],
    'halves exchanged': [Buffer.concat([old.subarray(3 * MIB), old.subarray(0, 3 * MIB)]), 300_000],
  }
  let sequence = 1
  for (const [what, [bytes, most]] of Object.entries(cases)) {
    const built = await bundleOf({ folder, files: { next: bytes }, signers: [], sequence: ++sequence, since })
    const parts = await partsOf(built, 'next')
    t.ok(built.size <= most, `${what}: ${built.size} of ${bytes.length} bytes`)
    t.equal(parts.reduce((sum, part) => sum + partBytes(part), 0), bytes.length)
    const made = Buffer.concat(await Promise.all(parts.filter(part => 'from' in part).map(async part => old.subarray(part.offset, part.offset + part.size))))
    t.equal(made.length, copied(parts))
  }
  const none = await bundleOf({ folder, files: { old }, signers: [ana.signer], sequence: ++sequence, since })
  t.ok(none.size < 100_000 && none.manifest.totals.entries === 0, `no change: ${none.size} bytes`)
})

await t.test('the old bytes may be gone: its map is enough, and without a map it is made from the bytes', async t => {
  const folder = t.testdir()
  const maps = chunkMapsOf(folder)
  const next = Buffer.concat([Buffer.from('front'), old])
  fileItems(join(folder, 'blobs'), { old })
  await bundleOf({ folder, files: { next }, signers: [], sequence: 2, since, maps })
  t.same((await maps.list()).toSorted(), [digestOf(old), digestOf(next)].toSorted(), 'both are remembered')
  rmSync(join(folder, 'blobs', hexOf(digestOf(old))))
  const built = await bundleOf({ folder, files: { other: Buffer.concat([old, Buffer.from('end')]) }, signers: [], sequence: 3, since, maps })
  t.ok(built.size < 200_000, `${built.size} bytes by the map alone`)
  const path = join(folder, 'records/chunks', `${hexOf(digestOf(old))}.map.zst`)
  const map = readFileSync(path)
  map[map.length >> 1]! ^= 1
  writeFileSync(path, map)
  t.equal(await maps.get(digestOf(old)), undefined, 'a damaged map is none')
  const without = await bundleOf({ folder, files: { third: Buffer.concat([old, Buffer.from('END')]) }, signers: [], sequence: 4, since, maps })
  t.ok(without.size > 1_000_000, 'and nothing is known any more')
  await t.resolves(checkVolume(without.file))
})

await t.test('a blob of the workspace that rotted is not believed, old or new', async t => {
  const folder = t.testdir()
  const [item] = fileItems(join(folder, 'blobs'), { old })
  const rotten = Buffer.from(old)
  rotten[1_000_000]! ^= 1
  writeFileSync(join(folder, 'blobs', hexOf(digestOf(old))), rotten)
  const next = Buffer.from(old)
  next.fill(1, 1_000_100, 1_000_200)
  const built = await bundleOf({ folder, files: { next }, signers: [], sequence: 2, since })
  t.equal(copied(await partsOf(built, 'next')), 0, 'nothing is copied from what is not what the site holds')
  await t.rejects(bundleOf({ folder, items: [item!], signers: [], sequence: 3 }), { code: 'DD-BUNDLE-013' })
})

await t.test('chunks cross volumes, and stay out of volumes that are too small for one', async t => {
  const folder = t.testdir()
  const built = await bundleOf({ folder, files: { img: old }, signers: [], volumeBytes: 1.25 * MIB })
  t.ok(built.volumes.length >= 4, `${built.volumes.length} volumes`)
  const volumes = new Set((await indexOf(built)).entries.map(({ volume }) => volume))
  t.equal(volumes.size, built.volumes.length)
  for (const { file, size } of built.volumes) {
    t.ok(size <= 1.25 * MIB)
    await t.resolves(checkVolume(file))
  }
  const small = await bundleOf({ folder, files: { img: old }, signers: [], sequence: 2, volumeBytes: 800_000 })
  t.ok((await indexOf(small)).entries.every(({ name }) => name.startsWith('pieces/')))
})

/** The lines of the README's section, run where a person would run them. */
async function byHand(t: Test, built: Built, held: Record<string, Buffer>): Promise<string> {
  const folder = t.testdir({ keys: { 'Ana.pub': ana.public }, checked: { held: {} } })
  for (const bytes of Object.values(held)) writeFileSync(join(folder, 'checked/held', hexOf(digestOf(bytes))), bytes)
  copyFileSync(built.file, join(folder, basename(built.file)))
  const commands = [...readFileSync('bundles/build/README.md', 'utf8').matchAll(/```sh\n(.*?)```/gs)].map(([, text]) => text!)
  const first = commands[0]!.replace('mkdir checked\n', '').replace('demo-0001', basename(built.file).slice(0, 9))
  const chunks = commands.find(text => text.includes('held/'))
  const { homedir } = gpgHome(t)
  return execFileSync('bash', ['-euo', 'pipefail', '-c', `exec 2>&1\n${first}${chunks}`], { cwd: folder, env: { PATH: process.env['PATH'], GNUPGHOME: homedir, LC_ALL: 'C.UTF-8' } }).toString()
}

await t.test('a person puts chunks and copies together by hand with the commands of the README', async t => {
  const folder = t.testdir()
  const next = Buffer.concat([Buffer.from('front'), old])
  const full = await bundleOf({ folder: join(folder, 'a'), files: { img: old }, signers: [ana.signer] })
  const delta = await bundleOf({ folder: join(folder, 'a'), files: { img2: next }, signers: [ana.signer], sequence: 2, since })
  await t.test('a full bundle', async t => {
    const said = await byHand(t, full, {})
    t.match(said, `joined/${hexOf(digestOf(old))}: OK`)
    t.match(said, /Good signature from "Ana Ruiz"/)
    t.notMatch(said, /FAILED|tar:|dd:/)
  })
  await t.test('a delta', async t => {
    const said = await byHand(t, delta, { old })
    t.match(said, `joined/${hexOf(digestOf(next))}: OK`)
    t.notMatch(said, /FAILED|tar:|dd:/)
  })
})

await t.test('a workspace remembers what each bundle brought, and says what it knows', async t => {
  const folder = t.testdir()
  const blobFolder = join(folder, 'blobs')
  mkdirSync(blobFolder)
  const lock = (items: ReturnType<typeof fileItems>): void => writeFileSync(join(folder, 'lock.json'), JSON.stringify({ format: 'drydock-collection-lock/1', name: 'demo', created: '2026-01-01T00:00:00Z', items }))
  const items = fileItems(blobFolder, { a: 'one', img: old })
  lock(items)
  const workspace = await openWorkspace(folder, { site: 'site-a' })
  await t.rejects(readRecord(folder, workspace.sender, 1), { code: 'DD-BUNDLE-031', message: /found none of any/ })
  const first = await bundleOf({ folder, items, signers: [], maps: chunkMapsOf(folder) })
  await keepRecord(workspace, first.manifest)
  await keepSequence(workspace, 1)
  t.match(await readRecord(folder, workspace.sender, 1), { base: digestOf(readHead(first.file)), baseSequence: 1, inventory: new Set([digestOf('one'), digestOf(old)]), items: new Set(items.map(item => digestOf(canonicalJson(item)))) })
  await t.rejects(readRecord(folder, workspace.sender, 7), { code: 'DD-BUNDLE-031', message: /found only 1$/ })
  await t.rejects(readRecord(folder, { epoch: 3 }, 1), { code: 'DD-BUNDLE-031' }, 'an epoch starts with nothing')
  const built = await bundleOf({ folder, items: fileItems(blobFolder, { a: 'one', img: Buffer.concat([Buffer.from('x'), old]) }, '2'), signers: [], sequence: 2, since: await readRecord(folder, workspace.sender, 1) })
  t.match(built.manifest, { base: digestOf(readHead(first.file)), baseSequence: 1 })
  t.ok(built.size < 200_000)
  const same = await bundleOf({ folder, items, signers: [], sequence: 3, since: await readRecord(folder, workspace.sender, 1) })
  t.match(same.manifest, { omits: 2, critical: ['omits'], totals: { items: {} } }, 'what is there as it is stays out of the index too')
  await t.resolves(checkVolume(same.file))
  writeFileSync(join(folder, 'records/0-0001.sent.zst'), 'rotten')
  await t.rejects(readRecord(folder, workspace.sender, 1), { code: 'DD-BUNDLE-031' })
})

function readHead(file: string): Buffer {
  const volume = readFileSync(file)
  return volume.subarray(512, 512 + Number.parseInt(volume.toString('latin1', 124, 135), 8))
}

await t.test('what stays in its place is told in stretches that are worth it', async t => {
  const before = image(40_000, 20)
  const after = Buffer.from(before)
  after.fill(0, 10_000, 10_010)
  after.fill(0, 11_000, 11_010)
  t.same(samePlaces(before, after), [{ same: true, from: 0, to: 9728 }, { same: false, from: 9728, to: 11_264 }, { same: true, from: 11_264, to: 40_000 }], 'two changes that lie near are one')
  t.same(samePlaces(before, before), [{ same: true, from: 0, to: 40_000 }])
  t.same(samePlaces(before.subarray(0, 20_000), before), [{ same: true, from: 0, to: 19_968 }, { same: false, from: 19_968, to: 40_000 }], 'the old one ends before')
  t.same(samePlaces(before.subarray(0, 100), image(1000, 21)), [{ same: false, from: 0, to: 1000 }])
})

