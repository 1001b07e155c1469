import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import t from 'tap'
import { digestOf, hexOf } from '../../../appliance/core/digest.ts'
import { checkVolume, MEDIA_BYTES, openSet, signBundle, volumeBytes } from '../../../bundles/build/index.ts'
import { pieceBytes, splitIndex } from '../../../bundles/build/split.ts'
import { BLOBS, PIECES } from '../../../bundles/format/index-line.ts'
import { PIECE_BYTES, SIGNATURES_BYTES } from '../../../bundles/format/limits.ts'
import type { Manifest } from '../../../bundles/format/manifest.ts'
import { split } from '../../attacks/hostile.ts'
import { bundleOf, person } from '../../support/bundles.ts'
import { gpgHome } from '../../support/gpg.ts'

/** The machine may be busy with other tests. */
t.setTimeout(240_000)

const ana = await person('Ana Ruiz')
const jon = await person('Jon Berg')
const KIB = 1024
const SIZE = 256 * KIB
const large = randomBytes(300_000)
const zeros = Buffer.alloc(200_000)
const files = { a: 'first\n', large, zeros, ...Object.fromEntries(Array.from({ length: 20 }, (_, k) => [`part/${k}`, randomBytes(20_000 + 37 * k)])) }

await t.test('a set of volumes: none too large, each with the same head, and the same bytes when it is built again', async t => {
  const folder = t.testdir()
  const [one, two] = await Promise.all(['one', 'two'].map(name => bundleOf({ folder: join(folder, name), files, signers: [], volumeBytes: SIZE })))
  const { volumes, manifest } = one!
  t.ok(volumes.length > 3, `${volumes.length} volumes`)
  t.same(volumes.map(({ file }) => basename(file)), volumes.map((_volume, k) => `demo-0001.v${k + 1}-of-${volumes.length}.drydock`))
  t.same(volumes.map(({ digest }) => digest), two!.volumes.map(({ digest }) => digest))
  const heads = volumes.map(({ file }) => split(readFileSync(file)).slice(0, 2 + manifest.index.length))
  for (const head of heads) t.ok(head.every((entry, k) => entry.header.equals(heads[0]![k]!.header) && entry.body.equals(heads[0]![k]!.body)), 'the same head')
  for (const { file, size } of volumes) {
    t.equal(statSync(file).size, size)
    t.ok(size + SIGNATURES_BYTES <= SIZE, `${size} bytes, and room for every signature that may be added`)
    await t.resolves(checkVolume(file))
  }
  t.ok(volumes.slice(0, -1).every(({ size }) => size > SIZE / 3), 'and none is nearly empty but the last')
})

await t.test('volumes are as large as they may be: one byte less, and one entry goes to the next', async t => {
  const folder = t.testdir()
  const plain = { a: randomBytes(512 * 50), b: randomBytes(512 * 50), c: randomBytes(512 * 50), d: randomBytes(512 * 50) }
  const { volumes: [whole] } = await bundleOf({ folder, files: plain, signers: [] })
  const full = whole!.size + SIGNATURES_BYTES
  t.equal((await bundleOf({ folder: join(folder, 'full'), files: plain, signers: [], volumeBytes: full })).volumes.length, 1)
  t.equal((await bundleOf({ folder: join(folder, 'less'), files: plain, signers: [], volumeBytes: full - 1 })).volumes.length, 2)
  await t.rejects(bundleOf({ folder, files: plain, signers: [], volumeBytes: SIGNATURES_BYTES }), { code: 'DD-BUNDLE-018' }, 'no room for the head')
})

await t.test('what is too large travels in pieces, and the same piece only once', async t => {
  const { volumes, manifest } = await bundleOf({ folder: t.testdir(), files, signers: [], volumeBytes: SIZE })
  const set = await openSet(volumes.map(({ file }) => file).toReversed())
  t.teardown(() => set.close())
  t.same(set.volumes.map(({ number }) => number), volumes.map((_volume, k) => k + 1), 'in their order, however they are named')
  t.same(set.missing, [])
  const { entries, items } = set.volumes[0]!.index
  const blob = (name: string) => items.find(item => item.name === name)!.blobs[0]!
  t.equal(blob('a').parts, undefined)
  t.equal(blob('large').parts?.length, Math.ceil(large.length / pieceBytes(SIZE)))
  const entriesOfParts = (name: string) => blob(name).parts!.flatMap(part => ('entry' in part ? [part.entry] : []))
  t.equal(new Set(entriesOfParts('zeros')).size, 2, 'zeros: one whole piece, several times, and the rest')
  t.ok(entries.every(({ name, size }) => name.startsWith(BLOBS) || (name.startsWith(PIECES) && size <= pieceBytes(SIZE))))
  const contents = new Map(volumes.flatMap(({ file }) => split(readFileSync(file)).slice(2 + manifest.index.length)).map(({ body }) => [hexOf(digestOf(body)), body]))
  t.equal(digestOf(Buffer.concat(entriesOfParts('large').map(entry => contents.get(entry.slice(PIECES.length))!))), digestOf(large))
  t.equal(pieceBytes(undefined), PIECE_BYTES)
  t.equal(pieceBytes(MEDIA_BYTES.dvd), PIECE_BYTES)
})

await t.test('a signature goes to every volume, also when the first try was cut off, and strangers are told apart', async t => {
  const folder = t.testdir()
  const { volumes } = await bundleOf({ folder, files, signers: [ana.signer], volumeBytes: SIZE })
  const paths = volumes.map(({ file }) => file)
  await signBundle(paths[1]!, jon.signer)
  t.same(await signBundle(paths, jon.signer), { signatures: 2 })
  const heads = paths.map(path => split(readFileSync(path)).slice(0, 2))
  for (const [manifest, signatures] of heads) t.ok(manifest!.body.equals(heads[0]![0]!.body) && signatures!.body.equals(heads[0]![1]!.body))
  await t.rejects(signBundle(paths, jon.signer), { code: 'DD-BUNDLE-016' })
  for (const path of paths) {
    t.ok(statSync(path).size <= SIZE)
    await t.resolves(checkVolume(path))
  }
  const other = await bundleOf({ folder: join(folder, 'other'), files: { ...files, a: 'other' }, signers: [ana.signer], volumeBytes: SIZE })
  await t.rejects(openSet([paths[0]!, other.volumes[1]!.file]), { code: 'DD-BUNDLE-019' }, 'a volume of another bundle with the same name')
  await t.rejects(openSet([paths[0]!, paths[0]!]), { code: 'DD-BUNDLE-019' }, 'a volume twice')
  const some = await openSet([paths[2]!, paths[0]!])
  t.equal(some.missing.length, volumes.length - 2)
  t.equal(some.missing[0], basename(paths[1]!))
  await some.close()
})

await t.test('GNU tar reads each volume, and a person checks the set by hand with the commands of the README', async t => {
  const folder = t.testdir()
  const { volumes } = await bundleOf({ folder: join(folder, 'build'), files, signers: [ana.signer, jon.signer], volumeBytes: SIZE })
  for (const { file } of volumes) {
    const listed = execFileSync('tar', ['--posix', '-tf', file], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
    t.same(listed.trim().split('\n').slice(0, 3), ['manifest.json', 'manifest.json.asc', 'index/0'])
    copyFileSync(file, join(folder, basename(file)))
  }
  mkdirSync(join(folder, 'keys'))
  for (const { name, public: key } of [ana, jon]) writeFileSync(join(folder, 'keys', `${name.split(' ')[0]}.pub`), key)
  const commands = [...readFileSync('bundles/build/README.md', 'utf8').matchAll(/```sh\n(.*?)```/gs)].map(([, text]) => text!)
  const { homedir } = gpgHome(t)
  const said = execFileSync('bash', ['-euo', 'pipefail', '-c', `exec 2>&1\n${commands[1]}`], { cwd: folder, env: { PATH: process.env['PATH'], GNUPGHOME: homedir, LC_ALL: 'C.UTF-8' } }).toString()
  t.match(said, /Good signature from "Ana Ruiz"/)
  t.match(said, /Good signature from "Jon Berg"/)
  t.equal(said.match(/pieces\/[0-9a-f]{64}: OK/g)?.length, 5 + 2)
  t.match(said, `joined/${createHash('sha256').update(large).digest('hex')}: OK`)
  t.match(said, `joined/${createHash('sha256').update(zeros).digest('hex')}: OK`)
  t.notMatch(said, /FAILED|tar:/)
})

await t.test('a build that fails at a later volume leaves none', async t => {
  const folder = t.testdir()
  const broken = { ...files, 'part/9': randomBytes(30_000) }
  const { volumes } = await bundleOf({ folder, files: broken, signers: [], volumeBytes: SIZE })
  t.ok(volumes.length > 3)
  const items = (await openItems(volumes[0]!.file)).map(item => ({ ...item, blobs: item.blobs.map(({ parts: _parts, ...blob }) => blob) }))
  writeFileSync(join(folder, 'blobs', hexOf(digestOf(broken['part/9']))), randomBytes(30_000))
  await t.rejects(bundleOf({ folder, items, signers: [], volumeBytes: SIZE, sequence: 2 }), { code: 'DD-BUNDLE-013' })
  t.same(readdirSync(join(folder, 'out')).filter(name => name.startsWith('demo-0002')), [])
})

async function openItems(file: string) {
  const set = await openSet([file])
  await set.close()
  return set.volumes[0]!.index.items
}

await t.test('the sizes of media, and what no volume can be', async t => {
  t.equal(volumeBytes('fat32'), 4_294_967_295)
  t.ok(volumeBytes('dvd') < 4_700_372_992)
  t.ok(volumeBytes('bd25') < 25_025_314_816)
  t.equal(volumeBytes('8000000'), 8_000_000)
  for (const text of ['0', '-1', 'floppy', '1e9', '4GB', '']) t.throws(() => volumeBytes(text), { code: 'DD-BUNDLE-018' }, text)
  const entries = Array.from({ length: 3 * 999 }, (_, k) => ({ name: `${BLOBS}${hexOf(digestOf(String(k)))}`, digest: digestOf(String(k)), size: 100_000, volume: 1 }))
  const manifestOf = (_index: unknown, volumes: Manifest['volumes'], index: Manifest['index']) => ({ volumes, index }) as Manifest
  t.throws(() => splitIndex({ entries, items: [] }, 400_000, manifestOf), { code: 'DD-BUNDLE-018' }, 'more than 999 volumes')
})
