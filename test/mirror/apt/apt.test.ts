import t from 'tap'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { runProgram } from '../../../appliance/core/run-program.ts'
import type { Item } from '../../../bundles/format/item.ts'
import { deb } from '../support/content.ts'
import { releaseSigner } from '../support/release-signer.ts'
import { clientEnvironment, startMirror } from '../support/server.ts'

const mirror = await startMirror()
t.teardown(() => mirror.close())
const { curl, url } = mirror

await mirror.promote('one', [
  await deb(mirror, 'hello-drydock', '1.0-1', { depends: 'hello-data (>= 1:2)' }),
  await deb(mirror, 'hello-data', '1:2.0', { architecture: 'all' }),
])

/** apt in a root of its own: its lists, caches, keys and sources are none of this machine's. */
function apt(name: string, options: { generation?: string; suite?: string; key?: string } = {}): (...args: string[]) => Promise<{ code: number; output: string; folder: string }> {
  const folder = join(mirror.folder, 'apt', name)
  for (const part of ['state/lists/partial', 'cache/archives/partial', 'etc', 'work']) mkdirSync(join(folder, part), { recursive: true })
  writeFileSync(join(folder, 'status'), '')
  writeFileSync(join(folder, 'etc/sources.list'), `deb [signed-by=${options.key ?? mirror.keyFile}] ${url}${options.generation ?? ''}/apt ${options.suite ?? 'bookworm'} main\n`)
  const settings = {
    'Dir::State': join(folder, 'state'), 'Dir::State::status': join(folder, 'status'), 'Dir::Cache': join(folder, 'cache'), 'Dir::Etc': join(folder, 'etc'), 'Dir::Etc::sourceparts': '-',
    'Dir::Etc::trusted': '/nonexistent', 'Dir::Etc::trustedparts': '/nonexistent', 'Acquire::https::CaInfo': mirror.caFile, 'APT::Sandbox::User': '', 'APT::Architecture': 'amd64', 'APT::Architectures': 'amd64', 'Acquire::Retries': '0', 'Acquire::Languages': 'none',
  }
  const flags = Object.entries(settings).flatMap(([key, value]) => ['-o', `${key}=${value}`])
  return async (...args) => {
    const { code, stdout, stderr } = await runProgram('apt-get', { args: [...flags, ...args], cwd: join(folder, 'work'), env: clientEnvironment(folder), accept: [0, 100] })
    return { code, output: stdout.toString('utf8') + stderr, folder: join(folder, 'work') }
  }
}

await t.test('apt updates with signed-by and downloads what it was promised', async t => {
  const get = apt('plain')
  const update = await get('update')
  t.equal(update.code, 0, update.output)
  t.notMatch(update.output, /^[WE]:/m, 'without a warning')
  const plan = await get('install', '--simulate', 'hello-drydock')
  t.match(plan.output, /Inst hello-data \(1:2\.0 .*\[all\]\)/)
  const download = await get('download', 'hello-drydock', 'hello-data')
  t.equal(download.code, 0, download.output)
  t.same(readdirSync(download.folder).toSorted(), ['hello-data_1%3a2.0_all.deb', 'hello-drydock_1.0-1_amd64.deb'])
  const again = await get('update')
  t.equal(again.code, 0, again.output)
})

await t.test('Release names every index, by hash too, and both signatures hold', async t => {
  const release = (await curl(`${url}/apt/dists/bookworm/Release`)).body.toString()
  t.match(release, /^Suite: bookworm$/m)
  t.match(release, /^Architectures: all amd64$/m)
  t.notMatch(release, /Valid-Until/)
  const [, hex, size] = / ([0-9a-f]{64}) (\d+) main\/binary-amd64\/Packages\.gz/.exec(release) ?? []
  const packed = await curl(`${url}/apt/dists/bookworm/main/binary-amd64/by-hash/SHA256/${hex}`)
  t.equal(packed.body.length, Number(size))
  t.equal(gunzipSync(packed.body).toString(), (await curl(`${url}/apt/dists/bookworm/main/binary-amd64/Packages`)).body.toString())
  const files = join(mirror.folder, 'gpgv')
  mkdirSync(files)
  for (const name of ['Release', 'Release.gpg', 'InRelease']) writeFileSync(join(files, name), (await curl(`${url}/apt/dists/bookworm/${name}`)).body)
  writeFileSync(join(files, 'key.asc'), (await curl(`${url}/apt/key.asc`)).body)
  await runProgram('gpg', { args: ['--batch', '--dearmor', '--output', join(files, 'key.gpg'), join(files, 'key.asc')], env: clientEnvironment(files) })
  for (const args of [['Release.gpg', 'Release'], ['InRelease']]) t.equal((await runProgram('gpgv', { args: ['--keyring', './key.gpg', ...args], cwd: files, env: clientEnvironment(files) })).code, 0)
})

await t.test('a later import changes one index; the old generation stays what it was', async t => {
  const before = (await curl(`${url}/apt/dists/bookworm/main/binary-amd64/Packages`)).body.toString()
  await mirror.promote('two', [await deb(mirror, 'hello-drydock', '1.1-1'), await deb(mirror, 'arm-tool', '1', { architecture: 'arm64' }), await deb(mirror, 'other', '1', { suite: 'trixie' })])
  const get = apt('later')
  await get('update')
  t.match((await get('install', '--simulate', 'hello-drydock')).output, /Inst hello-drydock \(1\.1-1 /)
  const old = apt('old', { generation: '/g/1' })
  t.equal((await old('update')).code, 0)
  t.match((await old('install', '--simulate', 'hello-drydock')).output, /Inst hello-drydock \(1\.0-1 /)
  t.equal((await curl(`${url}/g/1/apt/dists/bookworm/main/binary-amd64/Packages`)).body.toString(), before)
  t.match((await curl(`${url}/apt/dists/bookworm/main/binary-arm64/Packages`)).body.toString(), /Package: arm-tool\n[^]*Package: hello-data\n/, 'a package for all architectures stands in one that begins only now')
  t.equal((await apt('trixie', { suite: 'trixie' })('update')).code, 0)
})

await t.test('apt refuses a repository signed by another key', async t => {
  const other = await releaseSigner(join(mirror.folder, 'gpgv'))
  const { code, output } = await apt('stranger', { key: other.keyFile })('update')
  t.equal(code, 100)
  t.match(output, /NO_PUBKEY|not signed/)
})

await t.test('items that do not fit are refused by name', async t => {
  const good = await deb(mirror, 'good', '1.0')
  const control = String(good.metadata['control'])
  const withControl = (text: string): Item => ({ ...good, metadata: { ...good.metadata, control: text } })
  const bad: Item[] = [
    withControl(`${control}\nPackage: injected\nVersion: 1\n`),
    withControl(`${control}Filename: ../../etc/passwd\n`),
    withControl(`${control}sha256: ${'0'.repeat(64)}\n`),
    withControl(`${control}package: injected\n`),
    withControl(control.replace('\nVersion', '\n \u2028Package: bash\nVersion')),
    withControl(control.replace('Package: good', 'Package: other')),
    withControl(control.replace('Architecture: amd64', 'Architecture: arm64')),
    { ...good, version: '1.0/../..' },
    { ...good, name: '../good' },
    { ...good, blobs: [{ ...good.blobs[0]!, digest: await mirror.store.blobs.put('no deb') }] },
  ]
  for (const item of bad) await t.rejects(mirror.promote('bad', [item]), { code: 'DD-MIRROR-004', message: /deb:/ })
  await t.rejects(mirror.promote('bad', [{ ...good, metadata: { ...good.metadata, suite: '../..' } }]), { code: 'DD-CORE-009', message: /deb:good/ })
})

await t.test('apt refuses a package and an index that were altered on the disk', async t => {
  const evil = await deb(mirror, 'altered', '1.0')
  await mirror.promote('three', [evil])
  await mirror.alter(evil.blobs[0]!.digest)
  const get = apt('victim')
  await get('update')
  const download = await get('download', 'altered')
  t.equal(download.code, 100)
  t.match(download.output, /Hash Sum mismatch/)
})
