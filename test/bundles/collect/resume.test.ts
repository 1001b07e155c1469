import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, open, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import { digestOf } from '../../../appliance/core/digest.ts'
import { randomBytes, startCutting, type Served } from './support/cutting.ts'
import { collectFault, runCollect } from './support/run-collect.ts'

const LAUNCHER = join(import.meta.dirname, '../../../appliance/main/drydock')
const MIB = 1024 * 1024
const CONTENT = randomBytes(8 * MIB, 'disk image')
const HEX = createHash('sha256').update(CONTENT).digest('hex')

t.setTimeout(240_000)

const server = await startCutting()
t.teardown(() => server.close())

/** One file of this server, under an address of its own. */
function serve(name: string, served: Partial<Served> = {}): { images: { url: string; sha256: string }[] } {
  server.files.set(`/${name}`, { bytes: CONTENT, ranges: true, ...served })
  server.asked.length = 0
  return { images: [{ url: `${server.url}/${name}`, sha256: HEX }] }
}
const asked = () => server.asked.map(({ status, range }) => `${status} ${range ?? 'all'}`)
/** What the kernel still held when the connection broke is lost: a part begins where the half ended, at most this much before the cut. */
const LOST = 512 * 1024
const starts = () => server.asked.map(({ range }) => Number(/\d+/.exec(range ?? '0')?.[0]))
const halves = async (folder: string) => await readdir(join(folder, 'workspace/halves')).catch(() => [])
const blob = async (folder: string) => await readFile(join(folder, 'workspace/blobs', HEX))

await t.test('a connection that is cut in the middle goes on from there, and no byte comes twice', async t => {
  const folder = t.testdir()
  const before = server.sent()
  const { fetchedBytes } = await runCollect(folder, serve('cut.raw', { etag: '"one"', cutAfter: [3 * MIB, 2 * MIB, Infinity] }))
  t.strictSame(server.asked.map(({ status }) => status), [200, 206, 206])
  for (const [k, cut] of [[1, 3 * MIB], [2, 5 * MIB]] as const) t.ok(starts()[k]! <= cut && starts()[k]! > cut - k * LOST, `part ${k} begins at ${starts()[k]}`)
  t.strictSame(server.asked.map(({ ifRange }) => ifRange), [undefined, '"one"', '"one"'])
  t.ok(server.sent() - before < CONTENT.length + 2 * LOST)
  t.equal(fetchedBytes, CONTENT.length, 'what arrived arrived once')
  t.ok((await blob(folder)).equals(CONTENT))
  t.strictSame(await halves(folder), [])
})

await t.test('a line that breaks more often than a request is tried comes to its end all the same; one that brings nothing does not', async t => {
  const folder = t.testdir()
  const { fetchedBytes } = await runCollect(folder, serve('bad-line.raw', { cutAfter: [1.25 * MIB] }))
  t.ok(server.asked.length > 5, `${server.asked.length} answers`)
  t.equal(fetchedBytes, CONTENT.length)
  const fault = await collectFault(t.testdir(), serve('dead-line.raw', { cutAfter: [2 * MIB, 0] }))
  t.match(fault, { code: 'DD-COLLECT-005', message: /4 tries/ })
  t.ok(server.asked.length <= 5)
})

await t.test('killed with -9 in the middle, the next run asks for the rest alone', async t => {
  const folder = t.testdir()
  const wish = serve('killed.raw', { etag: '"one"', cutAfter: [5 * MIB], stalls: true })
  await writeFile(join(folder, 'collection.yaml'), JSON.stringify({ apiVersion: 'drydock/v1', kind: 'Collection', name: 'test', ...wish }))
  const killed = spawn(LAUNCHER, ['bundle', 'collect', join(folder, 'collection.yaml'), '--workspace', join(folder, 'workspace')], { stdio: 'ignore' })
  const ended = once(killed, 'exit')
  const half = join(folder, 'workspace/halves', `sha256-${HEX}`)
  const size = async () => (await stat(half).catch(() => undefined))?.size ?? 0
  for (let tries = 0; tries < 6000 && (await size()) < 5 * MIB; tries++) await pause(10)
  killed.kill('SIGKILL')
  await ended
  t.equal(await size(), 5 * MIB)
  t.strictSame(await readdir(join(folder, 'workspace/blobs')), [], 'no half is ever among the blobs')
  const { fetchedBytes } = await runCollect(folder, serve('killed.raw', { etag: '"one"' }))
  t.strictSame(asked(), [`206 bytes=${5 * MIB}-`])
  t.equal(server.asked[0]?.ifRange, '"one"')
  t.equal(fetchedBytes, 3 * MIB)
  t.ok((await blob(folder)).equals(CONTENT))
})

/** A workspace in which about 5 MiB of the content are there already. */
async function interrupted(folder: string, name: string, served: Partial<Served> = {}): Promise<{ half: string; size: number }> {
  await collectFault(folder, serve(name, { cutAfter: [5 * MIB, 0], ...served }))
  const half = join(folder, 'workspace/halves', `sha256-${HEX}`)
  return { half, size: (await stat(half)).size }
}

await t.test('after a failed run what came is kept, also for another address with the same bytes', async t => {
  const folder = t.testdir()
  const { size } = await interrupted(folder, 'here.raw')
  t.ok(size > 5 * MIB - LOST && size <= 5 * MIB, `${size} bytes are kept`)
  const { fetchedBytes } = await runCollect(folder, serve('there.raw', { etag: '"other server"' }))
  t.strictSame(asked(), [`206 bytes=${size}-`])
  t.equal(fetchedBytes, CONTENT.length - size)
})

await t.test('a server without ranges sends everything again, and so does one whose file is another now', async t => {
  for (const served of [{ ranges: false }, { etag: '"two"' }]) {
    const folder = t.testdir()
    const { size } = await interrupted(folder, 'again.raw', { etag: '"one"' })
    const { fetchedBytes } = await runCollect(folder, serve('again.raw', served))
    t.strictSame(asked(), [`200 bytes=${size}-`])
    t.equal(fetchedBytes, CONTENT.length)
    t.ok((await blob(folder)).equals(CONTENT))
  }
})

await t.test('a weak ETag is no promise about bytes and is not used', async t => {
  const folder = t.testdir()
  await runCollect(folder, serve('weak.raw', { etag: 'W/"one"', cutAfter: [3 * MIB, Infinity] }))
  t.strictSame(server.asked.map(({ ifRange }) => ifRange), [undefined, undefined])
})

await t.test('a half with a wrong byte never survives: it goes, and the file is fetched from its first byte', async t => {
  const folder = t.testdir()
  const { half, size } = await interrupted(folder, 'rotten.raw')
  const file = await open(half, 'r+')
  await file.write(Buffer.from('rot'), 0, 3, MIB)
  await file.close()
  const { fetchedBytes } = await runCollect(folder, serve('rotten.raw'))
  t.strictSame(asked(), [`206 bytes=${size}-`, '200 all'])
  t.equal(fetchedBytes, CONTENT.length - size + CONTENT.length)
  t.ok((await blob(folder)).equals(CONTENT))
})

await t.test('where all of it is wrong nothing is kept and the hash is told', async t => {
  const folder = t.testdir()
  const { size } = await interrupted(folder, 'evil.raw')
  const fault = await collectFault(folder, serve('evil.raw', { bytes: randomBytes(8 * MIB, 'evil'), etag: '"evil"' }))
  t.match(fault, { code: 'DD-COLLECT-004', message: new RegExp(`by the collection file.*found ${createHash('sha256').update(randomBytes(8 * MIB, 'evil')).digest('hex')}`) })
  t.strictSame(asked(), [`206 bytes=${size}-`, '200 all'])
  t.strictSame([await halves(folder), await readdir(join(folder, 'workspace/blobs'))], [[], []])
})

await t.test('a half that is as long as the file, or longer, and an answer for another part, lead to all of it', async t => {
  for (const [size, served, expected] of [
    [9 * MIB, {}, [`416 bytes=${9 * MIB}-`, '200 all']],
    [8 * MIB, {}, [`416 bytes=${8 * MIB}-`, '200 all']],
    [5 * MIB, { lies: 4 * MIB }, [`206 bytes=${5 * MIB}-`, '200 all']],
  ] as const) {
    const folder = t.testdir()
    await mkdir(join(folder, 'workspace/halves'), { recursive: true })
    await writeFile(join(folder, 'workspace/halves', `sha256-${HEX}`), randomBytes(size, 'disk image'))
    await runCollect(folder, serve('long.raw', served))
    t.strictSame(asked(), expected)
    t.ok((await blob(folder)).equals(CONTENT))
  }
})

await t.test('a link that lies where a half would is not followed', async t => {
  const folder = t.testdir({ secret: 'untouched', workspace: { halves: {} } })
  await symlink(join(folder, 'secret'), join(folder, 'workspace/halves', `sha256-${HEX}`))
  await t.rejects(runCollect(folder, serve('linked.raw')), { code: 'ELOOP' })
  t.equal(await readFile(join(folder, 'secret'), 'utf8'), 'untouched')
})

await t.test('two wishes for the same bytes at once do not spoil each other', async t => {
  const folder = t.testdir()
  const [one] = serve('one.raw', { cutAfter: [3 * MIB, Infinity] }).images
  const [two] = serve('two.raw', { cutAfter: [4 * MIB, Infinity] }).images
  const { lock } = await runCollect(folder, { images: [one, two] })
  t.equal(lock.items.length, 2)
  t.ok((await blob(folder)).equals(CONTENT))
})

await t.test('small files leave no half behind', async t => {
  const folder = t.testdir()
  server.files.set('/small.bin', { bytes: CONTENT.subarray(0, 1000), ranges: true, cutAfter: [500, 0] })
  await collectFault(folder, { files: [{ url: `${server.url}/small.bin`, sha256: createHash('sha256').update(CONTENT.subarray(0, 1000)).digest('hex') }] })
  t.strictSame(await halves(folder), [])
})

await t.test('a layer of an image goes on where it stopped', async t => {
  const folder = t.testdir()
  const layer = digestOf(CONTENT)
  const config = Buffer.from('{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}')
  const type = 'application/vnd.oci.image.manifest.v1+json'
  const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: type, config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digestOf(config), size: config.length }, layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: layer, size: CONTENT.length }] }))
  server.files.set('/v2/', { bytes: Buffer.from('{}') })
  server.files.set('/v2/big/manifests/1', { bytes: manifest, contentType: type })
  server.files.set(`/v2/big/blobs/${digestOf(config)}`, { bytes: config })
  server.files.set(`/v2/big/blobs/${layer}`, { bytes: CONTENT, ranges: true, cutAfter: [5 * MIB, 0] })
  const wish = { oci: [{ reference: `${new URL(server.url).host}/big:1`, as: 'big:1' }] }
  t.match(await collectFault(folder, wish), { code: 'DD-COLLECT-005', message: new RegExp(layer) })
  server.files.set(`/v2/big/blobs/${layer}`, { bytes: CONTENT, ranges: true })
  server.asked.length = 0
  const { fetchedBytes } = await runCollect(folder, wish)
  t.match(server.asked.filter(({ path }) => path.includes(layer)), [{ status: 206, range: /^bytes=\d+-$/ }])
  t.ok(fetchedBytes < 4 * MIB)
  t.ok((await blob(folder)).equals(CONTENT))
})

await t.test('a package of npm, whose lock file knows sha512, goes on as well', async t => {
  const folder = t.testdir({ project: {} })
  const sha512 = createHash('sha512').update(CONTENT).digest()
  const integrity = `sha512-${sha512.toString('base64')}`
  await writeFile(join(folder, 'project/package.json'), '{"name":"p","version":"1.0.0"}')
  await writeFile(join(folder, 'project/package-lock.json'), JSON.stringify({ lockfileVersion: 3, packages: { '': {}, 'node_modules/big': { version: '1.0.0', integrity } } }))
  server.files.set('/big/1.0.0', { bytes: Buffer.from(JSON.stringify({ name: 'big', version: '1.0.0', dist: { integrity, tarball: `${server.url}/big/-/big-1.0.0.tgz` } })), contentType: 'application/json' })
  server.files.set('/big/-/big-1.0.0.tgz', { bytes: CONTENT, ranges: true, cutAfter: [5 * MIB, 0] })
  const environment = { npm_config_registry: `${server.url}/`, NO_PROXY: '127.0.0.1', npm_config_noproxy: '127.0.0.1' }
  await collectFault(folder, { npm: { projects: ['project'] } }, { environment })
  t.strictSame(await halves(folder), [`sha512-${sha512.toString('hex')}`])
  server.files.set('/big/-/big-1.0.0.tgz', { bytes: CONTENT, ranges: true })
  server.asked.length = 0
  const { lock } = await runCollect(folder, { npm: { projects: ['project'] } }, { environment })
  t.match(lock.items, [{ kind: 'npm', name: 'big', blobs: [{ digest: digestOf(CONTENT), size: CONTENT.length }] }])
  t.match(server.asked.filter(({ path }) => path.endsWith('.tgz')), [{ status: 206, range: /^bytes=\d+-$/ }])
})
