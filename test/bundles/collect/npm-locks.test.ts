import { createHash } from 'node:crypto'
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { runProgram } from '../../../appliance/core/run-program.ts'
import { pnpmWants } from '../../../bundles/collect/npm/pnpm-lock.ts'
import { yarnWants } from '../../../bundles/collect/npm/yarn-lock.ts'
import { startCounting } from './support/counting.ts'
import { startLoopback } from './support/loopback.ts'
import { collectFault, runCollect } from './support/run-collect.ts'

const LOCKS = join(import.meta.dirname, 'locks')
const GLIBC = [{ os: 'linux', cpu: 'x64', libc: 'glibc' }]
const MUSL = [{ os: 'linux', cpu: 'x64', libc: 'musl' }]
const EVERYWHERE = ['@types/ms@2.1.0', 'is-number@6.0.0', 'is-odd@3.0.1', 'left-pad@1.3.0', 'ms@2.1.2', 'ms@2.1.3']

const names = (wants: readonly { name: string; version: string }[]) => wants.map(want => `${want.name}@${want.version}`).toSorted((a, b) => (a < b ? -1 : 1))

t.setTimeout(120_000)

await t.test('pnpm 8 and 12: what the platform installs over the whole workspace, aliases by their real name, with the integrity of the registry', async t => {
  for (const file of ['pnpm-6.yaml', 'pnpm-9.yaml']) {
    const text = await readFile(join(LOCKS, file), 'utf8')
    const wants = pnpmWants(text, file, GLIBC)
    t.strictSame(names(wants), ['@parcel/watcher-linux-x64-glibc@2.5.0', ...EVERYWHERE], file)
    t.ok(wants.every(want => want.integrity?.startsWith('sha512-')), file)
    t.ok(names(pnpmWants(text, file, [{ os: 'darwin', cpu: 'arm64' }])).includes('fsevents@2.3.3'))
  }
  t.notOk(names(pnpmWants(await readFile(join(LOCKS, 'pnpm-9.yaml'), 'utf8'), 'pnpm-9.yaml', MUSL)).includes('@parcel/watcher-linux-x64-glibc@2.5.0'))
})

await t.test('Yarn 1: every version with its integrity, for every machine: it fetches them all before it looks', async t => {
  const wants = yarnWants(await readFile(join(LOCKS, 'yarn-1.lock'), 'utf8'), 'yarn.lock', GLIBC)
  t.strictSame(names(wants), ['@parcel/watcher-linux-x64-glibc@2.5.0', '@parcel/watcher-linux-x64-musl@2.5.0', '@types/ms@2.1.0', 'fsevents@2.3.3', ...EVERYWHERE.slice(1)])
  t.ok(wants.every(want => want.integrity?.startsWith('sha512-')))
})

await t.test('Yarn 4: what the platform installs, without workspace packages and patches, and no checksum taken for an integrity', async t => {
  const text = await readFile(join(LOCKS, 'yarn-4.lock'), 'utf8')
  const wants = yarnWants(text, 'yarn.lock', GLIBC)
  for (const name of ['@parcel/watcher-linux-x64-glibc@2.5.0', ...EVERYWHERE]) t.ok(names(wants).includes(name), name)
  t.notOk(names(wants).some(name => /musl|fsevents|^work@|^p@/.test(name)))
  t.ok(wants.every(want => want.integrity === undefined))
  t.ok(names(yarnWants(text, 'yarn.lock', [{ os: 'darwin', cpu: 'arm64' }])).includes('fsevents@2.3.3'))
})

await t.test('what comes from git, a file, a folder or a link out of the workspace is refused and named', async t => {
  const pnpm = (more: string) => `lockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies: {}\n${more}`
  const cases: [() => unknown, RegExp][] = [
    [() => pnpmWants(pnpm('packages:\n  thing@https://codeload.example.invalid/a/tar.gz/1:\n    resolution: {tarball: https://codeload.example.invalid/a/tar.gz/1}\n    version: 1.0.0\n'), 'lock', GLIBC), /thing.*codeload/],
    [() => pnpmWants(pnpm('packages:\n  thing@file:thing.tgz:\n    resolution: {integrity: sha512-AA==, tarball: file:thing.tgz}\n'), 'lock', GLIBC), /thing.*file:thing\.tgz/],
    [() => pnpmWants(pnpm('packages:\n  thing@1.0.0:\n    resolution: {type: git, repo: git@example.invalid/a, commit: a}\n'), 'lock', GLIBC), /thing.*example\.invalid/],
    [() => pnpmWants("lockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies:\n      thing: {specifier: 'link:../thing', version: 'link:../thing'}\n", 'lock', GLIBC), /thing.*link:\.\.\/thing/],
    [() => yarnWants('# yarn lockfile v1\n\n"thing@git+ssh://git@example.invalid/a.git":\n  version "1.0.0"\n  resolved "git+ssh://git@example.invalid/a.git#1"\n', 'lock', GLIBC), /thing.*git\+ssh/],
    [() => yarnWants('# yarn lockfile v1\n\n"thing@file:../thing":\n  version "1.0.0"\n', 'lock', GLIBC), /thing.*file:\.\.\/thing/],
    [() => yarnWants('__metadata:\n  version: 8\n\n"thing@https://example.invalid/a.git":\n  version: 1.0.0\n  resolution: "thing@https://example.invalid/a.git#commit=1"\n', 'lock', GLIBC), /thing.*commit=1/],
    [() => yarnWants('__metadata:\n  version: 8\n\n"thing@portal:../thing::locator=p":\n  version: 0.0.0-use.local\n  resolution: "thing@portal:../thing::locator=p"\n', 'lock', GLIBC), /thing.*portal/],
  ]
  for (const [read, found] of cases) t.throws(read, { code: 'DD-COLLECT-007', message: found })
})

await t.test('what no lock file of these tools is, is refused with the command that makes one', async t => {
  t.throws(() => pnpmWants("lockfileVersion: '5.4'\n", 'lock', GLIBC), { code: 'DD-COLLECT-007', message: /5\.4/, hint: /pnpm install/ })
  t.throws(() => pnpmWants('a: [', 'lock', GLIBC), { code: 'DD-COLLECT-007' })
  t.throws(() => yarnWants('thing:\n  version: 1\n', 'lock', GLIBC), { code: 'DD-COLLECT-007' })
  t.throws(() => yarnWants('{"a": [', 'lock', GLIBC), { code: 'DD-COLLECT-007' })
})

await t.test('two lock files in one folder are refused, unless one of them is named', async t => {
  const server = await startLoopback()
  t.teardown(() => server.close())
  const folder = t.testdir({ web: { '.npmrc': `registry=${server.url}/\n`, 'package-lock.json': '{ "lockfileVersion": 3, "packages": {} }', 'pnpm-lock.yaml': "lockfileVersion: '9.0'\n" } })
  const fault = await collectFault(folder, { npm: { projects: ['web'] } })
  t.match(fault, { code: 'DD-COLLECT-007', message: /package-lock\.json and pnpm-lock\.yaml/ })
  t.match((await runCollect(folder, { npm: { projects: ['web/pnpm-lock.yaml'] } })).lock.items, [])
})

await t.test('the same project by pnpm and by Yarn 1 brings the same packages from the registry of this machine, but for what Yarn 1 fetches in vain', async t => {
  const folder = t.testdir()
  for (const [name, lock] of [['pnpm', 'pnpm-9.yaml'], ['yarn', 'yarn-1.lock']] as const) {
    await mkdir(join(folder, name))
    await copyFile(join(LOCKS, lock), join(folder, name, name === 'pnpm' ? 'pnpm-lock.yaml' : 'yarn.lock'))
  }
  const byPnpm = await runCollect(folder, { npm: { projects: ['pnpm'] } })
  t.strictSame(byPnpm.lock.items.map(item => `${item.name}@${item.version}`), ['@parcel/watcher-linux-x64-glibc@2.5.0', ...EVERYWHERE])
  t.ok(byPnpm.lock.items.every(item => (item.licences ?? item.licenceClaims ?? []).length > 0))
  const byYarn = await runCollect(folder, { npm: { projects: ['yarn'] } })
  const others = byYarn.lock.items.filter(item => !byPnpm.lock.items.some(known => known.name === item.name && known.version === item.version))
  t.strictSame(others.map(item => item.name), ['@parcel/watcher-linux-x64-musl', 'fsevents'])
  t.strictSame(byYarn.lock.items.filter(item => !others.includes(item)), byPnpm.lock.items)
})

await t.test('without an integrity in the project, our own lock pins what came first: a release that changed is refused', async t => {
  const server = await startLoopback()
  t.teardown(() => server.close())
  const publish = (content: string) => {
    const tarball = gzipSync(content)
    const integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`
    server.files.set('/thing/1.0.0', JSON.stringify({ name: 'thing', version: '1.0.0', dist: { tarball: `${server.url}/thing/-/thing-1.0.0.tgz`, integrity } }))
    server.files.set('/thing/-/thing-1.0.0.tgz', tarball)
  }
  publish('one')
  const folder = t.testdir({ web: { 'package.json': '{}', '.npmrc': `registry=${server.url}/\nnoproxy=127.0.0.1\n`, 'yarn.lock': '__metadata:\n  version: 8\n\n"thing@npm:^1.0.0":\n  version: 1.0.0\n  resolution: "thing@npm:1.0.0"\n  checksum: 10c0/00\n' } })
  const first = await runCollect(folder, { npm: { projects: ['web'] } })
  publish('two')
  await rm(join(folder, 'workspace/cache'), { recursive: true })
  const fault = await collectFault(folder, { npm: { projects: ['web'] } })
  t.match(fault, { code: 'DD-COLLECT-004', message: /thing@1\.0\.0.*former lock\.json.*registry's own index/ })
  await writeFile(join(folder, 'workspace/lock.json'), '')
  t.not((await runCollect(folder, { npm: { projects: ['web'] } })).lockDigest, first.lockDigest, 'who means it deletes the lock')
})

await t.test('when a project changes, only what is new is asked of the registry of this machine', async t => {
  const upstream = (await runProgram('npm', { args: ['config', 'get', 'registry'], env: process.env })).stdout.toString('utf8').trim()
  const counting = await startCounting(upstream)
  t.teardown(() => counting.close())
  const lock = (...versions: string[]) => JSON.stringify({ lockfileVersion: 3, packages: Object.fromEntries(versions.map(each => [`node_modules/${each.slice(0, each.lastIndexOf('@'))}`, { version: each.slice(each.lastIndexOf('@') + 1) }])) })
  const folder = t.testdir({ web: { 'package.json': '{}', '.npmrc': `registry=${counting.url}/\nnoproxy=127.0.0.1\n`, 'package-lock.json': lock('ms@2.1.3', 'is-odd@3.0.1') } })
  await runCollect(folder, { npm: { projects: ['web'] } })
  t.equal(counting.requests.length, 4, 'a manifest and a tarball each')
  counting.reset()
  await writeFile(join(folder, 'web/package-lock.json'), lock('ms@2.1.3', 'is-odd@3.0.1', 'is-number@6.0.0'))
  const { fetchedBytes } = await runCollect(folder, { npm: { projects: ['web'] } })
  t.ok(counting.requests.every(path => path.startsWith('/is-number')))
  t.ok(fetchedBytes > 0 && fetchedBytes <= counting.bytes())
})
