import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { lockWants } from '../../../bundles/collect/npm/lockfile.ts'
import { deadUrl, startLoopback, type Loopback } from './support/loopback.ts'
import { collectFault, runCollect } from './support/run-collect.ts'

const LINUX = [{ os: 'linux', cpu: 'x64', libc: 'glibc' }]
const TARBALL = gzipSync('a small package')
const INTEGRITY = `sha512-${createHash('sha512').update(TARBALL).digest('base64')}`

/** A project with one dependency, and an .npmrc that names a registry of our own. */
async function project(folder: string, registry: string, entry: object = { version: '1.0.0', integrity: INTEGRITY }, more = ''): Promise<{ npm: object }> {
  const place = join(folder, 'project')
  await mkdir(place, { recursive: true })
  await writeFile(join(place, '.npmrc'), `registry=${registry}/\nnoproxy=127.0.0.1\n${more}`)
  await writeFile(join(place, 'package.json'), '{ "name": "p", "dependencies": { "thing": "^1.0.0" } }')
  await writeFile(join(place, 'package-lock.json'), JSON.stringify({ lockfileVersion: 3, packages: { '': { name: 'p' }, 'node_modules/thing': entry } }))
  return { npm: { projects: ['project'] } }
}

function publish(server: Loopback, dist: object = {}, manifest: object = {}): void {
  server.files.set('/thing/1.0.0', JSON.stringify({ name: 'thing', version: '1.0.0', license: 'MIT', ...manifest, dist: { tarball: `${server.url}/thing/-/thing-1.0.0.tgz`, integrity: INTEGRITY, ...dist } }))
  server.files.set('/thing/-/thing-1.0.0.tgz', TARBALL)
}

t.setTimeout(240_000)

await t.test('a lock file gives the versions that a platform installs, aliases by their real name, bundled and linked ones not', async t => {
  const text = JSON.stringify({
    lockfileVersion: 3,
    packages: {
      '': {},
      'node_modules/a': { version: '1.0.0', integrity: 'sha512-AAAA' },
      'node_modules/@s/b': { version: '2.0.0' },
      'node_modules/@s/b/node_modules/a': { version: '1.1.0' },
      'node_modules/alias': { name: 'real', version: '3.0.0' },
      'node_modules/inside': { version: '1.0.0', inBundle: true },
      'node_modules/work': { link: true, resolved: 'packages/work' },
      'packages/work': { version: '1.0.0' },
      'node_modules/for-darwin': { version: '1.0.0', optional: true, os: ['darwin'] },
      'node_modules/for-linux': { version: '1.0.0', optional: true, os: ['linux'], cpu: ['x64'], libc: ['glibc'] },
      'node_modules/for-musl': { version: '1.0.0', optional: true, os: ['linux'], libc: ['musl'] },
      'node_modules/not-windows': { version: '1.0.0', optional: true, os: ['!win32'] },
    },
  })
  t.strictSame(lockWants(text, 'lock', LINUX).map(want => `${want.name}@${want.version}`), ['a@1.0.0', '@s/b@2.0.0', 'a@1.1.0', 'real@3.0.0', 'for-linux@1.0.0', 'not-windows@1.0.0'])
})

await t.test('what does not come from a registry, and lock files of npm 6, are refused', async t => {
  const git = JSON.stringify({ lockfileVersion: 3, packages: { 'node_modules/a': { version: '1.0.0', resolved: 'git+ssh://git@example.invalid/a.git#1' } } })
  t.throws(() => lockWants(git, 'lock', LINUX), { code: 'DD-COLLECT-007' })
  t.throws(() => lockWants('{"lockfileVersion":1,"dependencies":{}}', 'lock', LINUX), { code: 'DD-COLLECT-007' })
  t.throws(() => lockWants('<html>', 'lock', LINUX), { code: 'DD-COLLECT-007' })
})

await t.test('a project without a lock file is refused with the command that makes one', async t => {
  const folder = t.testdir({ project: { 'package.json': '{}' } })
  const fault = await collectFault(folder, { npm: { projects: ['project'] } })
  t.equal(fault.code, 'DD-COLLECT-007')
  t.match(fault.hint, /npm install --package-lock-only/)
})

await t.test('a version comes with its manifest, without the address it came from', async t => {
  const server = await startLoopback()
  t.teardown(() => server.close())
  publish(server, {}, { scripts: { postinstall: 'node setup' }, readme: 'long', _npmUser: { name: 'x' } })
  const folder = t.testdir()
  const { lock } = await runCollect(folder, await project(folder, server.url))
  const [item] = lock.items
  t.match(item, { kind: 'npm', name: 'thing', version: '1.0.0', source: 'pkg:npm/thing@1.0.0', licences: ['MIT'], metadata: { integrity: INTEGRITY, tags: [], manifest: { hasInstallScript: true, dist: { integrity: INTEGRITY } } } })
  t.notMatch(JSON.stringify(lock), server.url)
  t.notOk('readme' in (item!.metadata['manifest'] as object) || '_npmUser' in (item!.metadata['manifest'] as object))
})

await t.test('a tarball with other bytes than the lock file says is refused and named', async t => {
  const server = await startLoopback()
  t.teardown(() => server.close())
  publish(server)
  server.files.set('/thing/-/thing-1.0.0.tgz', Buffer.concat([TARBALL.subarray(0, -1), Buffer.from('!')]))
  const folder = t.testdir()
  const fault = await collectFault(folder, await project(folder, server.url))
  t.equal(fault.code, 'DD-COLLECT-004')
  t.match(fault.message, /thing@1\.0\.0 \(npm\)/)
})

await t.test('a registry that changed a release since the lock file was made is refused', async t => {
  const server = await startLoopback()
  t.teardown(() => server.close())
  const other = gzipSync('another package')
  publish(server, { integrity: `sha512-${createHash('sha512').update(other).digest('base64')}` })
  server.files.set('/thing/-/thing-1.0.0.tgz', other)
  const folder = t.testdir()
  t.equal((await collectFault(folder, await project(folder, server.url))).code, 'DD-COLLECT-004')
})

await t.test('a release with nothing but SHA-1 is refused', async t => {
  const server = await startLoopback()
  t.teardown(() => server.close())
  publish(server, { integrity: undefined, shasum: createHash('sha1').update(TARBALL).digest('hex') })
  const folder = t.testdir()
  t.equal((await collectFault(folder, await project(folder, server.url, { version: '1.0.0' }))).code, 'DD-COLLECT-004')
})

await t.test('a registry that answers only whole packuments is asked for one', async t => {
  const server = await startLoopback()
  t.teardown(() => server.close())
  publish(server)
  server.files.set('/thing', `{"versions":{"1.0.0":${String(server.files.get('/thing/1.0.0'))}}}`)
  server.files.delete('/thing/1.0.0')
  const folder = t.testdir()
  t.match((await runCollect(folder, await project(folder, server.url))).counts, { npm: 1 })
})

await t.test('a version that is not in the registry is named', async t => {
  const server = await startLoopback()
  t.teardown(() => server.close())
  const folder = t.testdir()
  const fault = await collectFault(folder, await project(folder, server.url))
  t.equal(fault.code, 'DD-COLLECT-006')
  t.match(fault.message, /thing/)
})

await t.test('a registry that fails twice and one that hangs up in the middle are tried again', async t => {
  const server = await startLoopback()
  t.teardown(() => server.close())
  publish(server)
  let answers = 0
  server.files.set('/thing/-/thing-1.0.0.tgz', response => {
    answers++
    if (answers === 1) response.writeHead(503).end()
    else if (answers === 2) {
      response.writeHead(200, { 'content-length': TARBALL.length })
      response.write(TARBALL.subarray(0, 5))
      setTimeout(() => response.destroy(), 20)
    } else response.writeHead(200).end(TARBALL)
  })
  const folder = t.testdir()
  t.match((await runCollect(folder, await project(folder, server.url))).counts, { npm: 1 })
  t.equal(answers, 3)
})

await t.test('a registry that cannot be reached is told as such, and can be tried again', async t => {
  const folder = t.testdir()
  const fault = await collectFault(folder, await project(folder, await deadUrl()))
  t.equal(fault.code, 'DD-COLLECT-005')
  t.ok(fault.retryable)
})

await t.test('credentials go to the registry that they are for, and not along with a redirect', async t => {
  const server = await startLoopback()
  const elsewhere = await startLoopback()
  t.teardown(() => Promise.all([server.close(), elsewhere.close()]))
  publish(server)
  elsewhere.files.set('/moved.tgz', TARBALL)
  server.files.set('/thing/-/thing-1.0.0.tgz', response => void response.writeHead(302, { location: `${elsewhere.url}/moved.tgz` }).end())
  const folder = t.testdir()
  const wish = await project(folder, server.url, undefined, `//${new URL(server.url).host}/:_authToken=\${SECRET_TOKEN}\n`)
  const { lock } = await runCollect(folder, wish, { environment: { SECRET_TOKEN: 'canary' } })
  t.ok(server.requests.every(request => request.headers.authorization === 'Bearer canary'))
  t.equal(elsewhere.requests[0]?.headers.authorization, undefined)
  t.notMatch(JSON.stringify(lock), /canary/)
})

await t.test('a second collect asks the registry nothing, and fetches again what rotted on the disk', async t => {
  const server = await startLoopback()
  t.teardown(() => server.close())
  publish(server)
  const folder = t.testdir()
  const wish = await project(folder, server.url)
  const first = await runCollect(folder, wish)
  server.requests.length = 0
  t.equal((await runCollect(folder, wish)).lockDigest, first.lockDigest)
  t.same(server.requests, [])
  const blob = join(folder, 'workspace/blobs', first.lock.items[0]!.blobs[0]!.digest.slice(7))
  await writeFile(blob, 'rot')
  t.equal((await runCollect(folder, wish)).lockDigest, first.lockDigest)
  t.ok(server.requests.some(request => request.path.endsWith('.tgz')))
})

await t.test('names and ranges are resolved by npm at the registry of this machine', async t => {
  const { lock } = await runCollect(t.testdir(), { npm: { packages: ['ms@2.1.3', 'ms'] } })
  t.ok(lock.items.some(item => item.name === 'ms' && item.version === '2.1.3'))
  t.ok(lock.items.some(item => (item.metadata['tags'] as string[]).includes('latest')), 'a bare name is the latest, and is tagged so')
})
