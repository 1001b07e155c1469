import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { sourceFault } from '../../../bundles/collect/apt/private-apt.ts'
import { startArchive, type Archive } from './support/archive.ts'
import { deadUrl, startLoopback, type Loopback } from './support/loopback.ts'
import { collectFault, runCollect } from './support/run-collect.ts'

const DEBS = [{ name: 'tool', depends: 'libtool-one | libtool-two' }, { name: 'libtool-one' }, { name: 'libtool-two' }, { name: 'base-thing', essential: true }, { name: 'apt' }]

async function archive(folder: string): Promise<{ server: Loopback; own: Archive; wish: { apt: object } }> {
  const server = await startLoopback()
  const own = await startArchive(folder, server, DEBS)
  return { server, own, wish: { apt: { sources: [own.source], packages: ['tool'] } } }
}

t.setTimeout(240_000)

await t.test('a package comes with the closure of its dependencies, its control stanza and the key that signed the archive', async t => {
  const folder = t.testdir()
  const { server, wish } = await archive(folder)
  t.teardown(() => server.close())
  const { lock } = await runCollect(folder, wish)
  t.strictSame(lock.items.map(item => `${item.kind} ${item.name} ${item.version} ${item.variant}`), ['deb libtool-one 1.0 test/amd64', 'deb tool 1.0 test/amd64'])
  const tool = lock.items[1]!
  t.match(tool.metadata, { suite: 'test', component: 'main', architecture: 'amd64', filename: 'pool/tool_1.0_amd64.deb' })
  t.match(tool.metadata['control'], /^Package: tool\nVersion: 1.0\n/)
  t.notMatch(tool.metadata['control'], /^(Filename|Size|SHA256):/m, 'where it lay upstream is not told')
  t.match(tool.upstream?.signedBy, /^[0-9A-F]{40}$/)
  t.equal(tool.source, 'pkg:deb/debian/tool@1.0?arch=amd64&distro=test')
  t.equal(lock.created, '2026-06-02T10:00:00Z', 'the time of the lock is that of the Release, not of the clock')
})

await t.test('the same archive gives the same lock, byte for byte, in another folder', async t => {
  const folder = t.testdir()
  const { server, wish } = await archive(folder)
  t.teardown(() => server.close())
  const one = await runCollect(folder, wish, { workspace: join(folder, 'one') })
  const two = await runCollect(folder, wish, { workspace: join(folder, 'two') })
  t.same(await readFile(two.lockPath), await readFile(one.lockPath))
})

await t.test('a second collect fetches no package again', async t => {
  const folder = t.testdir()
  const { server, wish } = await archive(folder)
  t.teardown(() => server.close())
  await runCollect(folder, wish)
  server.requests.length = 0
  const again = await runCollect(folder, wish)
  t.equal(again.fetchedBytes, 0)
  t.notOk(server.requests.some(request => request.path.endsWith('.deb')))
})

await t.test('a lock keeps its time while nothing in it changes, though the archive was signed anew', async t => {
  const folder = t.testdir()
  const { server, own, wish } = await archive(folder)
  t.teardown(() => server.close())
  const first = await runCollect(folder, wish)
  await own.sign(release => release.replace('10:00:00', '11:00:00'))
  const second = await runCollect(folder, wish)
  t.equal(second.lockDigest, first.lockDigest)
})

await t.test('a .deb with one byte changed is refused and named', async t => {
  const folder = t.testdir()
  const { server, own, wish } = await archive(folder)
  t.teardown(() => server.close())
  const deb = Buffer.from(server.files.get(own.debPath('tool')) as Uint8Array)
  deb[deb.length - 10]! ^= 1
  server.files.set(own.debPath('tool'), deb)
  const fault = await collectFault(folder, wish)
  t.equal(fault.code, 'DD-COLLECT-004')
  t.match(fault.message, /tool/)
  t.notOk((await readdir(join(folder, 'workspace'))).includes('lock.json'), 'there is no lock')
})

await t.test('an index that is not the one that was signed is refused', async t => {
  const folder = t.testdir()
  const { server, wish } = await archive(folder)
  t.teardown(() => server.close())
  const place = '/dists/test/main/binary-amd64/Packages'
  server.files.set(place, String(server.files.get(place)).replace('Version: 1.0', 'Version: 9.0'))
  const fault = await collectFault(folder, wish)
  t.equal(fault.code, 'DD-COLLECT-003')
  t.match(fault.message, /found other bytes/)
})

await t.test('an archive signed by another key is refused with the key in the message', async t => {
  const folder = t.testdir()
  const { server, wish } = await archive(folder)
  t.teardown(() => server.close())
  const strange = await startLoopback()
  t.teardown(() => strange.close())
  await startArchive(join(folder, 'strange'), strange, DEBS)
  server.files.set('/dists/test/InRelease', String(strange.files.get('/dists/test/InRelease')))
  const fault = await collectFault(folder, wish)
  t.equal(fault.code, 'DD-COLLECT-003')
})

await t.test('an archive without a signature is refused', async t => {
  const folder = t.testdir()
  const { server, wish } = await archive(folder)
  t.teardown(() => server.close())
  const signed = String(server.files.get('/dists/test/InRelease'))
  server.files.set('/dists/test/InRelease', signed.slice(signed.indexOf('Origin:'), signed.indexOf('-----BEGIN PGP SIG')))
  t.equal((await collectFault(folder, wish)).code, 'DD-COLLECT-003')
})

await t.test('an unknown package is named', async t => {
  const folder = t.testdir()
  const { server, own } = await archive(folder)
  t.teardown(() => server.close())
  const fault = await collectFault(folder, { apt: { sources: [own.source], packages: ['tool', 'no-such-tool'] } })
  t.equal(fault.code, 'DD-COLLECT-002')
  t.match(fault.message, /no-such-tool/)
})

await t.test('an archive that does not answer is told as such, and can be tried again', async t => {
  const folder = t.testdir()
  const { server, own } = await archive(folder)
  await server.close()
  const fault = await collectFault(folder, { apt: { sources: [{ ...own.source, uri: await deadUrl() }], packages: ['tool'] } })
  t.equal(fault.code, 'DD-COLLECT-005')
  t.ok(fault.retryable)
})

await t.test('an archive that answers 503 is out of reach; one whose port ends in 503 is not', async t => {
  const folder = t.testdir()
  const { server, wish } = await archive(folder)
  t.teardown(() => server.close())
  server.files.set('/dists/test/InRelease', response => response.writeHead(503).end())
  const fault = await collectFault(folder, wish)
  t.equal(fault.code, 'DD-COLLECT-005')
  t.ok(fault.retryable)
  const said = `E: Failed to fetch http://127.0.0.1:45503/dists/test/InRelease  Clearsigned file isn't valid, got 'NODATA'`
  t.equal(sourceFault('test', 'http://127.0.0.1:45503', `Err:1 http://127.0.0.1:45503 test InRelease\n${said}`).code, 'DD-COLLECT-003')
})

await t.test('a keyring that is not there is refused before anything is asked', async t => {
  const folder = t.testdir()
  const { server, own } = await archive(folder)
  t.teardown(() => server.close())
  server.requests.length = 0
  const fault = await collectFault(folder, { apt: { sources: [{ ...own.source, signedBy: 'nowhere.gpg' }], packages: ['tool'] } })
  t.equal(fault.code, 'DD-COLLECT-010')
  t.same(server.requests, [])
})

await t.test('a suite that no source of this machine has is refused with those that there are', async t => {
  const fault = await collectFault(t.testdir(), { apt: { suites: ['no-such-suite'], packages: ['hello'] } })
  t.equal(fault.code, 'DD-COLLECT-010')
  t.match(fault.message, /no-such-suite/)
})
