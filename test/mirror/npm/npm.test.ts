import t from 'tap'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { create } from 'tar/create'
import { runProgram } from '../../../appliance/core/run-program.ts'
import { npmPackage, withTarball } from '../support/content.ts'
import { clientEnvironment, startMirror } from '../support/server.ts'

const mirror = await startMirror()
t.teardown(() => mirror.close())
const { curl, url } = mirror
const ABBREVIATED = 'application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*'

/** A project folder and an npm that knows nothing but the mirror; its cache is empty. */
function project(name: string, dependencies: Record<string, string>): { folder: string; npm: (...args: string[]) => Promise<{ code: number; stderr: string; stdout: Buffer }> } {
  const folder = join(mirror.folder, 'projects', name)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name, version: '1.0.0', dependencies }))
  writeFileSync(join(folder, '.npmrc'), `registry=${url}/npm/\ncafile=${mirror.caFile}\ncache=${join(folder, '.cache')}\naudit=false\nfund=false\nupdate-notifier=false\nfetch-retries=0\n`)
  return { folder, npm: (...args) => runProgram('npm', { args, cwd: folder, env: clientEnvironment(folder), accept: [0, 1] }) }
}

const trim = await npmPackage(mirror, 'left-trim', '1.0.0', { description: 'trims', scripts: { postinstall: 'node -e 0' } })
const pad = await npmPackage(mirror, '@acme/pad', '2.1.0', { dependencies: { 'left-trim': '^1.0.0' } })
await mirror.promote('one', [trim, pad])
const lock = project('app', { '@acme/pad': '^2.0.0' })

await t.test('npm makes a lock file and npm ci installs from it', async t => {
  const made = await lock.npm('install', '--package-lock-only')
  t.equal(made.code, 0, made.stderr)
  const installed = await lock.npm('ci')
  t.equal(installed.code, 0, installed.stderr)
  t.match(readFileSync(join(lock.folder, 'node_modules/left-trim/index.js'), 'utf8'), /left-trim@1\.0\.0/)
  t.match(readFileSync(join(lock.folder, 'package-lock.json'), 'utf8'), (trim.metadata['integrity'] as string))
})

await t.test('a packument is whole or abbreviated, as the client asks', async t => {
  const full = await curl(`${url}/npm/left-trim`)
  const short = await curl('--header', `Accept: ${ABBREVIATED}`, `${url}/npm/left-trim`)
  t.match(full.headers.get('content-type'), /^application\/json/)
  t.match(short.headers.get('content-type'), /^application\/vnd\.npm\.install-v1\+json/)
  t.not(full.headers.get('etag'), short.headers.get('etag'))
  const [wide, narrow] = [full, short].map(answer => JSON.parse(answer.body.toString()) as { description?: string; 'dist-tags': object; versions: Record<string, Record<string, unknown>> })
  t.equal(wide!.description, 'trims')
  t.equal(narrow!.description, undefined)
  t.same(narrow!['dist-tags'], { latest: '1.0.0' })
  t.equal(narrow!.versions['1.0.0']!['hasInstallScript'], true)
  t.same(narrow!.versions['1.0.0']!['dist'], { integrity: trim.metadata['integrity'], tarball: `${url}/npm/left-trim/-/left-trim-1.0.0.tgz` })
})

await t.test('scoped names are found with the slash encoded or not', async t => {
  t.equal((await curl(`${url}/npm/@acme%2fpad`)).status, 200)
  t.equal((await curl(`${url}/npm/@acme/pad`)).status, 200)
  t.equal((await curl(`${url}/npm/@acme/pad/-/pad-2.1.0.tgz`)).headers.get('cache-control'), 'public, max-age=31536000, immutable')
  t.equal((await curl('--range', '0-9', `${url}/npm/@acme/pad/-/pad-2.1.0.tgz`)).body.length, 10)
  const same = await curl(`${url}/npm/@acme/pad`)
  t.equal((await curl('--header', `If-None-Match: ${same.headers.get('etag')}`, `${url}/npm/@acme/pad`)).status, 304)
})

await t.test('what is not there is 404 with a body npm understands, and publishing is refused', async t => {
  const missing = await curl(`${url}/npm/nothing`)
  t.same([missing.status, JSON.parse(missing.body.toString())], [404, { error: 'not found: nothing' }])
  t.equal((await curl('--request', 'PUT', '--data', '{}', '--header', 'Content-Type: application/json', `${url}/npm/left-trim`)).status, 405)
  t.equal((await curl(`${url}/npm/-/ping`)).status, 200)
  t.equal((await lock.npm('dist-tag', 'ls', '@acme/pad')).stdout.toString('utf8').trim(), 'latest: 2.1.0')
})

await t.test('a new version joins the packument; the old generation does not know it', async t => {
  await mirror.promote('two', [await npmPackage(mirror, 'left-trim', '1.1.0'), await npmPackage(mirror, 'left-trim', '2.0.0-beta.1')])
  const versions = async (path: string) => {
    const body = JSON.parse((await curl(`${url}${path}`)).body.toString()) as { versions: object; 'dist-tags': object }
    return [Object.keys(body.versions), body['dist-tags']]
  }
  t.same(await versions('/npm/left-trim'), [['1.0.0', '1.1.0', '2.0.0-beta.1'], { latest: '1.1.0' }])
  t.same(await versions('/g/1/npm/left-trim'), [['1.0.0'], { latest: '1.0.0' }])
})

/** The same item, packed as npm packs (node-tar, portable), and then changed. */
async function packed(at: typeof mirror, item: typeof trim, files: Record<string, string>, change: (tar: Buffer) => Buffer = tar => tar) {
  const folder = mkdtempSync(join(at.folder, 'packed-'))
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, 'package', path)), { recursive: true })
    writeFileSync(join(folder, 'package', path), text)
  }
  await create({ cwd: folder, file: join(folder, 'made.tar'), portable: true }, ['package/package.json', ...Object.keys(files).filter(path => path !== 'package.json').map(path => `package/${path}`)])
  const bytes = gzipSync(change(readFileSync(join(folder, 'made.tar'))))
  const digest = await at.store.blobs.put(bytes)
  return { ...item, metadata: { ...item.metadata, integrity: `sha512-${createHash('sha512').update(bytes).digest('base64')}` }, blobs: [{ ...item.blobs[0]!, digest, size: bytes.length }] }
}

await t.test('items that do not fit are refused by name', async t => {
  const good = await npmPackage(mirror, 'good', '1.0.0')
  const bad = [
    { ...good, metadata: { ...good.metadata, integrity: `sha512-${'A'.repeat(86)}==` } },
    { ...good, name: '../good' },
    { ...good, name: '@site/good' },
    { ...good, name: '@../good' },
    { ...good, version: '1.0' },
    { ...good, version: '1.0.1' },
    { ...good, metadata: { ...good.metadata, manifest: { name: 'evil', version: '1.0.0' } } },
  ]
  for (const item of bad) await t.rejects(mirror.promote('bad', [item]), { code: 'DD-MIRROR-004', message: new RegExp(`npm:${item.name}@${item.version}`.replaceAll('.', '\\.')) })
})

await t.test('a tarball that is not the package its manifest says is refused by name', async t => {
  const good = await npmPackage(mirror, 'fine', '1.0.0')
  const manifest = (name: string, version: string) => JSON.stringify({ name, version })
  const tricks: [string, [string, string][]][] = [
    ['package.json of \\\\?"evil', [['package/package.json', manifest('evil', '1.0.0')]]],
    ['package.json of \\\\?"2\\.0\\.0', [['package/package.json', manifest('fine', '2.0.0')]]],
    ['package.json of', [['package/package.json', manifest('fine', '1.0.0')], ['other/package.json', manifest('evil', '1.0.0')]]],
    ['found none', [['package/index.js', '']]],
    ['found the name', [['package/package.json', manifest('fine', '1.0.0')], ['package/../../outside', 'x']]],
    ['package.json of', [['package/package.json', 'nothing']]],
    ['package.json of', [[`package/package.json`, manifest('fine', '1.0.0')], [`${'p'.repeat(150)}/package.json`, manifest('evil', '1.0.0')]]],
  ]
  for (const [found, entries] of tricks) {
    await t.rejects(withTarball(mirror, good, entries).then(item => mirror.store.catalogue.validate(item)), { code: 'DD-MIRROR-004', message: new RegExp(`npm:fine@1\\.0\\.0.*${found}`) }, JSON.stringify(entries).slice(0, 100))
  }
  const padded = manifest('fine', '1.0.0') + ' '.repeat(1024 * 1024)
  await t.rejects(withTarball(mirror, good, Array.from({ length: 5 }, (_, n) => [`p${n}/package.json`, padded] as const)).then(item => mirror.store.catalogue.validate(item)), { message: /more than 4194304 bytes in package\.json/ })
  const long = `lib/${'deep/'.repeat(40)}ünïcode.js`
  await t.resolves(packed(mirror, good, { 'package.json': manifest('fine', '1.0.0'), [long]: 'x'.repeat(600) }).then(item => mirror.store.catalogue.validate(item)), 'a long name as npm itself writes it')
  await t.rejects(packed(mirror, good, { 'package.json': manifest('fine', '1.0.0'), [long]: 'x'.repeat(600) }, tar => Buffer.from(tar.toString('latin1').replace(' size=600', ' size=512'), 'latin1')).then(item => mirror.store.catalogue.validate(item)), { message: /a size of 512 bytes/ }, 'PAX size smuggling')
  await t.resolves(withTarball(mirror, good, [['anything/package.json', manifest('fine', 'v1.0.0')], ['anything/lib/package.json', '{}']]).then(item => mirror.store.catalogue.validate(item)))
})

await t.test('npm refuses a tarball that was altered on the disk', async t => {
  const evil = await npmPackage(mirror, 'altered', '1.0.0')
  await mirror.promote('three', [evil])
  const { npm } = project('victim', { altered: '1.0.0' })
  await npm('install', '--package-lock-only')
  await mirror.alter(evil.blobs[0]!.digest)
  const { code, stderr } = await npm('ci')
  t.equal(code, 1)
  t.match(stderr, /EINTEGRITY/)
})
