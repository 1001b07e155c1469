import { createHash, randomBytes } from 'node:crypto'
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import t, { type Test } from 'tap'
import { checkVolume, parityCount, repairSet, setFiles, signBundle, surveyLines, surveySet, type Survey } from '../../../bundles/build/index.ts'
import { parityPlaceholder } from '../../../bundles/build/parity.ts'
import type { Built } from '../../../bundles/build/index.ts'
import { bundleOf, person } from '../../support/bundles.ts'

t.setTimeout(280_000)
const ana = await person('Ana Ruiz')
const SIZE = 140 * 1024
/** Four volumes of odd and different sizes, with an empty file, and pieces that cross them. */
const files = { a: 'first\n', empty: '', large: randomBytes(150_001), zeros: Buffer.alloc(60_000), ...Object.fromEntries(Array.from({ length: 3 }, (_, k) => [`part/${k}`, randomBytes(10_000 + 37 * k)])) }

/** A new folder each time, where `t.testdir` would empty the one before. */
function newFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'drydock-repair-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex')

async function set(t: Test, more: object = {}): Promise<Built & { paths: string[]; sums: Map<string, string> }> {
  const built = await bundleOf({ folder: newFolder(t), files, signers: [ana.signer], volumeBytes: SIZE, parity: 2, ...more })
  const paths = built.volumes.map(({ file }) => file)
  return { ...built, paths, sums: new Map(paths.map(path => [basename(path), sha256(path)])) }
}

/** The whole set in a folder of its own, without some of it. */
function copy(t: Test, paths: readonly string[], without: readonly number[]): string {
  const folder = newFolder(t)
  for (const [k, path] of paths.entries()) if (!without.includes(k)) copyFileSync(path, join(folder, basename(path)))
  return folder
}

async function repair(folder: string, options: Parameters<typeof repairSet>[1] = {}): Promise<{ survey: Survey; rebuilt: string[] }> {
  const survey = await surveySet(await setFiles([folder]))
  return { survey, rebuilt: (await repairSet(survey, options)).map(({ file }) => basename(file)) }
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path)
  bytes[at < 0 ? bytes.length + at : at]! ^= 1
  writeFileSync(path, bytes)
}

const same = (t: Test, folder: string, sums: ReadonlyMap<string, string>): boolean => t.same(new Map(readdirSync(folder).toSorted().map(name => [name, sha256(join(folder, name))])), new Map([...sums].toSorted(([a], [b]) => (a < b ? -1 : 1))), 'equal to the originals')

await t.test('every pair of six files lost, and every single one: the set is the same again, byte for byte', async t => {
  const { paths, sums, manifest } = await set(t)
  t.equal(manifest.volumes.length, 4)
  t.not(manifest.volumes[0]!.payloadSize % 512, 0, 'an odd size')
  for (let one = 0; one < 6; one++) {
    for (let two = one; two < 6; two++) {
      const folder = copy(t, paths, [one, two])
      const { survey, rebuilt } = await repair(folder)
      t.equal(survey.hopeless, 0)
      t.equal(rebuilt.length, one === two ? 1 : 2)
      same(t, folder, sums)
      rmSync(folder, { recursive: true })
    }
  }
})

await t.test('three of six lost are too many, and it says how many more it takes', async t => {
  const { paths } = await set(t)
  for (const lost of [[0, 1, 2], [0, 3, 4], [1, 4, 5], [0, 1, 5]]) {
    const folder = copy(t, paths, lost)
    const before = readdirSync(folder)
    const survey = await surveySet(await setFiles([folder]))
    t.ok(survey.hopeless > 0)
    t.match(surveyLines(survey).at(-1), /^parity {5}\d of 2 here: 1 more volume or parity volume makes it whole$/)
    await t.rejects(repairSet(survey), { code: 'DD-BUNDLE-020', message: /expected 4 whole .*, found 3$/, hint: /1 more/ })
    t.same(readdirSync(folder), before, 'nothing was written')
  }
})

await t.test('damaged instead of lost: in the content, in the head, cut short, longer, and a parity volume itself', async t => {
  const { paths, sums } = await set(t)
  const tricks: Record<string, (path: string) => void> = {
    content: path => flip(path, -3000),
    manifest: path => flip(path, 700),
    header: path => flip(path, 100),
    'padding or end': path => flip(path, -3),
    'cut short': path => truncateSync(path, statSync(path).size - 20_000),
    longer: path => writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.alloc(512, 1)])),
  }
  for (const [name, damage] of Object.entries(tricks)) {
    for (const k of [0, 2, 5]) {
      const folder = copy(t, paths, [])
      damage(join(folder, basename(paths[k]!)))
      const survey = await surveySet(await setFiles([folder]))
      t.equal(survey.volumes.filter(({ why }) => why !== undefined).length, 1, name)
      t.match(surveyLines(survey)[0], /^damaged {4}demo-0001\.[vp]/)
      t.same((await repairSet(survey)).map(({ file }) => basename(file)), [basename(paths[k]!)])
      same(t, folder, sums)
      rmSync(folder, { recursive: true })
    }
  }
})

await t.test('scratches that lie apart: three damaged volumes and one lost parity volume are whole again', async t => {
  const { paths, sums, manifest } = await set(t, { files: Object.fromEntries(Array.from({ length: 13 }, (_, k) => [`f/${k}`, randomBytes(17_000 + k)])) })
  t.equal(manifest.volumes.length, 4)
  const folder = copy(t, paths, [4])
  const { volumes, first } = await surveySet(paths)
  const sizes = (volume: number): number[] => first.index.entries.filter(entry => entry.volume === volume).map(({ size }) => size)
  t.ok(sizes(2)[0]! < manifest.volumes[0]!.payloadSize - sizes(1).at(-1)!, 'the first entry of one and the last of the other')
  flip(join(folder, basename(paths[0]!)), -2000)
  flip(join(folder, basename(paths[1]!)), volumes[1]!.payloadOffset + 512 + 10)
  flip(join(folder, basename(paths[2]!)), 5)
  const { survey } = await repair(folder)
  t.equal(survey.volumes.filter(({ why }) => why !== undefined).length, 3)
  same(t, folder, sums)
})

await t.test('files of another bundle, and one twice, are not taken', async t => {
  const [mine, other] = [await set(t), await bundleOf({ folder: newFolder(t), files: { ...files, a: 'other' }, signers: [ana.signer], volumeBytes: SIZE, parity: 2 })]
  await t.rejects(surveySet([...mine.paths.slice(0, 3), other.volumes[5]!.file]), { code: 'DD-BUNDLE-019' })
  await t.rejects(surveySet([mine.paths[4]!, mine.paths[4]!]), { code: 'DD-BUNDLE-019' })
  await t.rejects(surveySet([join(newFolder(t), 'none')]), { code: 'DD-BUNDLE-017' })
  await t.rejects(setFiles([newFolder(t)]), { code: 'DD-BUNDLE-017' }, 'a folder without bundles')
})

await t.test('one volume with parity, an empty bundle with parity, and names that say nothing', async t => {
  for (const content of [{ a: randomBytes(70_000) }, { empty: '' }]) {
    const { paths, sums, manifest } = await set(t, { files: content, volumeBytes: undefined, parity: 1 })
    t.equal(manifest.volumes.length, 1)
    const folder = newFolder(t)
    copyFileSync(paths[1]!, join(folder, 'whatever.drydock'))
    const { rebuilt } = await repair(folder)
    t.same(rebuilt, ['demo-0001.v1-of-1.drydock'])
    t.equal(sha256(join(folder, rebuilt[0]!)), sums.get(rebuilt[0]!))
    for (const path of paths) await checkVolume(path)
  }
})

await t.test('a second signature goes to the parity volumes too, and repair keeps it; --out leaves the damaged medium alone', async t => {
  const { paths } = await set(t)
  const jon = await person('Jon Berg')
  await signBundle(paths, jon.signer)
  const sums = new Map(paths.map(path => [basename(path), sha256(path)]))
  const folder = copy(t, paths, [1])
  flip(join(folder, basename(paths[3]!)), -5000)
  const before = sha256(join(folder, basename(paths[3]!)))
  const out = join(folder, 'out')
  mkdirSync(out)
  const { rebuilt } = await repair(folder, { out })
  t.same(rebuilt, [basename(paths[1]!), basename(paths[3]!)])
  for (const name of rebuilt) t.equal(sha256(join(out, name)), sums.get(name))
  t.equal(sha256(join(folder, basename(paths[3]!))), before)
})

await t.test('what changes between looking and rebuilding is noticed, and nothing is written', async t => {
  const { paths } = await set(t)
  const folder = copy(t, paths, [1])
  const survey = await surveySet(await setFiles([folder]))
  flip(join(folder, basename(paths[0]!)), -3000)
  await t.rejects(repairSet(survey), { code: 'DD-BUNDLE-021' })
  t.equal(readdirSync(folder).length, 5)
})

await t.test('more shards than GF(2^8) has rows, and odd numbers of parity volumes, are refused', async t => {
  for (const text of ['17', '-1', 'two', '1.5', '']) t.throws(() => parityCount(text), { code: 'DD-BUNDLE-018' }, text)
  t.equal(parityCount('16'), 16)
  const volumes = Array.from({ length: 241 }, () => ({ payloadSize: 1000, firstEntry: 0, entries: 1 }))
  t.throws(() => parityPlaceholder(volumes, 16, 4096), { code: 'DD-BUNDLE-018', message: /at most 256/ })
  t.equal(parityPlaceholder(volumes, 15, 300)[0]!.slices.length, 4)
})
