import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { zstdCompressSync } from 'node:zlib'
import t from 'tap'
import { digestOf } from '../../../appliance/core/digest.ts'
import { ensureFolder } from '../../../appliance/core/durable-file.ts'
import { runProgram } from '../../../appliance/core/run-program.ts'
import { startCounting } from './support/counting.ts'
import { startLoopback } from './support/loopback.ts'
import { collectFault, runCollect } from './support/run-collect.ts'

const LAUNCHER = join(import.meta.dirname, '../../../appliance/main/drydock')
const blobName = (content: string) => digestOf(content).slice('sha256:'.length)

t.setTimeout(120_000)

await t.test('while one collects, a second in the same workspace is refused with who has it; another workspace is free', async t => {
  const server = await startLoopback()
  t.teardown(() => server.close())
  const asked = Promise.withResolvers<void>()
  const letGo = Promise.withResolvers<void>()
  server.files.set('/slow.bin', response => {
    asked.resolve()
    void letGo.promise.then(() => response.end('slow'))
  })
  const folder = t.testdir({ 'a.txt': 'a' })
  const first = runCollect(join(folder, 'one'), { files: [{ url: `${server.url}/slow.bin`, sha256: blobName('slow') }] }, { workspace: join(folder, 'workspace') })
  await asked.promise
  const fault = await collectFault(folder, { files: [{ path: 'a.txt' }] })
  t.match(fault, { code: 'DD-COLLECT-016', retryable: true, message: new RegExp(`process ${process.pid} \\(.+, since 2001-02-03 02:00 UTC\\)`) })
  t.ok((await runCollect(folder, { files: [{ path: 'a.txt' }] }, { workspace: join(folder, 'other') })).lock)
  letGo.resolve()
  t.match((await first).counts, { file: 1 })
  t.ok((await runCollect(folder, { files: [{ path: 'a.txt' }] })).lock, 'afterwards it is free')
  t.notOk((await readdir(join(folder, 'workspace'))).includes('collect.json'))
})

await t.test('a run that is killed with -9 leaves nothing in the way: the next one sweeps its pieces and fetches only what is missing', async t => {
  const server = await startLoopback()
  const counting = await startCounting(server.url)
  t.teardown(() => Promise.all([server.close(), counting.close()]))
  const contents = Array.from({ length: 12 }, (_, index) => `content ${index} `.repeat(5000))
  for (const [index, content] of contents.entries()) server.files.set(`/f${index}.bin`, content)
  // One that stops in its middle, so that the killed run has a piece on the disk.
  server.files.set('/f5.bin', response => {
    response.writeHead(200, { 'content-length': contents[5]!.length })
    response.write(contents[5]!.slice(0, 1000))
  })
  const folder = t.testdir()
  const workspace = join(folder, 'workspace')
  const files = contents.map((content, index) => ({ url: `${counting.url}/f${index}.bin`, sha256: blobName(content) }))
  await writeFile(join(folder, 'collection.yaml'), JSON.stringify({ apiVersion: 'drydock/v1', kind: 'Collection', name: 'test', files }))
  const killed = spawn(LAUNCHER, ['bundle', 'collect', join(folder, 'collection.yaml'), '--workspace', workspace], { stdio: 'ignore' })
  const ended = once(killed, 'exit')
  const blobs = async () => await readdir(join(workspace, 'blobs')).catch(() => [])
  for (let tries = 0; tries < 1000 && !((await blobs()).some(name => name.endsWith('.tmp')) && counting.requests.includes('/f5.bin')); tries++) await pause(10)
  killed.kill('SIGKILL')
  await ended
  t.ok((await blobs()).some(name => name.endsWith('.tmp')), 'a piece was left behind')
  const kept = new Set(await blobs())
  server.files.set('/f5.bin', contents[5]!)
  counting.reset()
  const { lock, fetchedBytes } = await runCollect(folder, { files })
  t.equal(lock.items.length, 12)
  t.strictSame([...counting.requests].toSorted(), contents.flatMap((content, index) => (kept.has(blobName(content)) ? [] : [`/f${index}.bin`])).toSorted(), 'what came before was not asked for again')
  t.equal(fetchedBytes, counting.bytes())
  t.strictSame((await blobs()).filter(name => !/^[0-9a-f]{64}$/.test(name)), [])
  counting.reset()
  t.equal((await runCollect(folder, { files })).fetchedBytes, 0)
  t.same(counting.requests, [])
})

await t.test('blobs that no lock needs are counted, and pruned only when asked; the last locks and the last bundle keep theirs', async t => {
  const folder = t.testdir({ 'a.txt': 'round 0' })
  const workspace = join(folder, 'workspace')
  const wish = { files: [{ path: 'a.txt' }] }
  const round = async (index: number) => {
    await writeFile(join(folder, 'a.txt'), `round ${index}`)
    return await runCollect(folder, { created: `2026-01-0${index + 1}T00:00:00Z`, ...wish })
  }
  for (let index = 0; index < 4; index++) t.equal((await round(index)).unneeded.blobs, 0, 'the newest lock and the three before it')
  t.strictSame((await round(4)).unneeded, { blobs: 1, bytes: 'round 0'.length })
  await ensureFolder(join(workspace, 'records'))
  const record = (content: string) => zstdCompressSync(JSON.stringify({ items: [{ key: 'x', blobs: [digestOf(content)] }] }))
  await writeFile(join(workspace, 'records/0-9.sent.zst'), record('round 1'))
  await writeFile(join(workspace, 'records/0-10.sent.zst'), record('round 0'))
  t.equal((await round(5)).unneeded.blobs, 1, 'round 0 is of the last bundle; round 1 is of one before')
  const run = async (...more: string[]) => await runProgram(LAUNCHER, { args: ['bundle', 'collect', join(folder, 'collection.yaml'), '--workspace', workspace, ...more], env: { ...process.env, SOURCE_DATE_EPOCH: undefined }, accept: [0, 1, 2] })
  t.match((await run()).stdout.toString(), /unneeded +1 blobs, .*--prune/)
  await writeFile(join(workspace, 'records/0-11.sent.zst'), 'rot')
  t.match((await run('--prune')).stderr, /record .*0-11\.sent\.zst .*damaged/)
  t.ok((await readdir(join(workspace, 'blobs'))).includes(blobName('round 1')), 'nothing was deleted')
  await rm(join(workspace, 'records/0-11.sent.zst'))
  t.match((await run('--prune')).stdout.toString(), /pruned +1 blobs/)
  t.strictSame((await readdir(join(workspace, 'blobs'))).toSorted(), ['round 0', 'round 2', 'round 3', 'round 4', 'round 5'].map(blobName).toSorted())
  t.equal((await readdir(join(workspace, 'locks'))).length, 3)
  t.equal(JSON.parse(await readFile(join(workspace, 'lock.json'), 'utf8')).items.length, 1)
})

await t.test('where a relay serves several sites, what was sent last to any of them is kept', async t => {
  const folder = t.testdir({ 'a.txt': 'round 0' })
  for (let index = 0; index < 6; index++) {
    await writeFile(join(folder, 'a.txt'), `round ${index}`)
    await runCollect(folder, { created: `2026-01-0${index + 1}T00:00:00Z`, files: [{ path: 'a.txt' }] })
  }
  for (const [site, content] of [['site-a', 'round 0'], ['site-b', 'round 1']] as const) {
    const records = join(folder, 'workspace/sites', site, 'records')
    await ensureFolder(records)
    await writeFile(join(records, '0-1.sent.zst'), zstdCompressSync(JSON.stringify({ items: [{ key: 'x', blobs: [digestOf(content)] }] })))
  }
  t.strictSame((await runCollect(folder, { created: '2026-01-06T00:00:00Z', files: [{ path: 'a.txt' }] })).unneeded, { blobs: 0, bytes: 0 })
  await rm(join(folder, 'workspace/sites/site-a'), { recursive: true })
  t.strictSame((await runCollect(folder, { created: '2026-01-06T00:00:00Z', files: [{ path: 'a.txt' }] })).unneeded, { blobs: 1, bytes: 'round 0'.length })
})

await t.test('a disk that fills up ends in words, without a lock and without a half file; with space it goes on', { skip: process.getuid?.() !== 0 && 'only root can mount a small disk' }, async t => {
  const folder = t.testdir({ disk: {}, 'a.bin': Buffer.alloc(200_000, 'a'), 'b.bin': Buffer.alloc(400_000, 'b') })
  const workspace = join(folder, 'disk')
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k,mode=0700', 'drydock-test', workspace])
  try {
    await writeFile(join(folder, 'collection.yaml'), JSON.stringify({ apiVersion: 'drydock/v1', kind: 'Collection', name: 'test', files: [{ path: 'a.bin' }, { path: 'b.bin' }] }))
    const run = async () => await runProgram(LAUNCHER, { args: ['bundle', 'collect', join(folder, 'collection.yaml'), '--workspace', workspace], env: process.env, accept: [0, 1] })
    const { stderr, code } = await run()
    t.equal(code, 1)
    t.match(stderr, /expected space on the disk, found none left[^]*DD-CORE-002/)
    t.notOk((await readdir(workspace)).includes('lock.json'))
    t.notOk((await readdir(join(workspace, 'blobs'))).some(name => name.endsWith('.tmp')))
    execFileSync('mount', ['-o', 'remount,size=4m', workspace])
    t.equal((await run()).code, 0)
  } finally {
    execFileSync('umount', [workspace])
  }
})
