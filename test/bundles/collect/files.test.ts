import { chmod, readFile, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { digestOf } from '../../../appliance/core/digest.ts'
import { startLoopback } from './support/loopback.ts'
import { collectFault, runCollect } from './support/run-collect.ts'

const TREE = { board: { 'a.txt': 'alpha', sub: { 'run.sh': '#!/bin/sh\n' } } }

await t.test('a folder travels with its paths and executable bits, under the folder that it is given', async t => {
  const folder = t.testdir(TREE)
  await chmod(join(folder, 'board/sub/run.sh'), 0o755)
  const { lock } = await runCollect(folder, { files: [{ path: 'board', to: '/bench/' }] })
  t.match(lock.items, [
    { kind: 'file', name: 'bench/a.txt', metadata: { path: 'bench/a.txt' }, blobs: [{ name: 'a.txt', digest: digestOf('alpha'), size: 5 }] },
    { kind: 'file', name: 'bench/sub/run.sh', metadata: { executable: true } },
  ])
  t.equal(await readFile(join(folder, 'workspace/blobs', digestOf('alpha').slice(7)), 'utf8'), 'alpha')
})

await t.test('times, owners and the order on the disk do not matter; content does', async t => {
  const folder = t.testdir(TREE)
  const wish = { created: '2026-01-02T03:04:05Z', files: [{ path: 'board' }] }
  const first = await runCollect(folder, wish, { workspace: join(folder, 'one') })
  await utimes(join(folder, 'board/a.txt'), 1, 1)
  t.equal((await runCollect(folder, wish, { workspace: join(folder, 'two') })).lockDigest, first.lockDigest)
  await writeFile(join(folder, 'board/a.txt'), 'beta')
  t.not((await runCollect(folder, wish, { workspace: join(folder, 'two') })).lockDigest, first.lockDigest)
})

await t.test('the time of the lock: the collection, then SOURCE_DATE_EPOCH, then the former lock, then the clock', async t => {
  const folder = t.testdir(TREE)
  const files = [{ path: 'board' }]
  const created = async (wish: object, environment: NodeJS.ProcessEnv = {}) => (await runCollect(folder, { files, ...wish }, { environment })).lock.created
  t.equal(await created({}), '2001-02-03T02:00:00Z')
  t.equal(await created({ created: '2026-01-02T03:04:05Z' }, { SOURCE_DATE_EPOCH: '0' }), '2026-01-02T03:04:05Z')
  t.equal(await created({}, { SOURCE_DATE_EPOCH: '86400' }), '1970-01-02T00:00:00Z')
  t.equal(await created({}), '1970-01-02T00:00:00Z', 'nothing changed, so the former lock stands')
})

await t.test('links, missing paths and the jobs\' own folder are refused', async t => {
  const folder = t.testdir(TREE)
  t.equal((await collectFault(folder, { files: [{ path: 'nowhere' }] })).code, 'DD-COLLECT-011')
  t.equal((await collectFault(folder, { files: [{ path: 'board', to: 'site/x' }] })).code, 'DD-COLLECT-011')
  t.equal((await collectFault(folder, { files: [{ path: 'board', to: '../x' }] })).code, 'DD-COLLECT-011')
  await symlink('/etc/passwd', join(folder, 'board/link'))
  const fault = await collectFault(folder, { files: [{ path: 'board' }] })
  t.equal(fault.code, 'DD-COLLECT-011')
  t.match(fault.message, /board\/link.*symbolic link/)
})

await t.test('one name and version with two contents is refused', async t => {
  const folder = t.testdir({ one: { a: '1' }, two: { a: '2' } })
  const fault = await collectFault(folder, { files: [{ path: 'one', version: '1' }, { path: 'two', version: '1' }] })
  t.equal(fault.code, 'DD-COLLECT-012')
  t.match(fault.message, /file:a@1/)
})

await t.test('a file by its address and a disk image come by the hash that the collection gives; the address does not travel', async t => {
  const server = await startLoopback()
  t.teardown(() => server.close())
  server.files.set('/download/board.iso', 'an installer')
  const folder = t.testdir({ 'disk.qcow2': 'a disk' })
  const hex = (content: string) => digestOf(content).slice('sha256:'.length)
  const wish = {
    files: [{ url: `${server.url}/download/board.iso?version=1`, sha256: hex('an installer'), to: 'isos', name: 'board-1.iso', version: '1' }],
    images: [{ path: 'disk.qcow2', sha256: hex('a disk') }],
  }
  const { lock } = await runCollect(folder, wish)
  t.match(lock.items, [
    { kind: 'file', name: 'images/disk.qcow2', blobs: [{ digest: digestOf('a disk') }] },
    { kind: 'file', name: 'isos/board-1.iso', version: '1', metadata: { path: 'isos/board-1.iso' }, blobs: [{ digest: digestOf('an installer') }] },
  ])
  t.notMatch(JSON.stringify(lock), server.url)
  server.requests.length = 0
  await runCollect(folder, wish)
  t.same(server.requests, [], 'what is here by its hash is not asked for again')
  t.match(await collectFault(folder, { files: [{ url: `${server.url}/download/board.iso`, sha256: hex('else') }] }), { code: 'DD-COLLECT-004', message: /by the collection file.*in the bytes that came/ })
  t.match(await collectFault(folder, { images: [{ path: 'disk.qcow2', sha256: hex('else') }] }), { code: 'DD-COLLECT-004', message: /disk\.qcow2.*by the collection file.*in the file/ })
  t.match(await collectFault(folder, { files: [{ url: `${server.url}/gone`, sha256: hex('else') }] }), { code: 'DD-COLLECT-006' })
  t.match(await collectFault(folder, { images: [{ path: 'disk.qcow2' }] }), { code: 'DD-CORE-009' })
})

await t.test('a proxy that wants credentials is told as such', async t => {
  const proxy = await startLoopback()
  t.teardown(() => proxy.close())
  proxy.files.set('http://files.invalid/a.bin', response => void response.writeHead(407, { 'proxy-authenticate': 'Basic' }).end())
  const fault = await collectFault(t.testdir(), { files: [{ url: 'http://files.invalid/a.bin', sha256: '0'.repeat(64) }] }, { environment: { HTTP_PROXY: proxy.url, NO_PROXY: '', no_proxy: '' } })
  t.match(fault, { code: 'DD-COLLECT-005', message: /proxy .*HTTP 407/ })
})
