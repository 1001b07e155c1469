import t from 'tap'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runProgram } from '../../../appliance/core/run-program.ts'
import type { Item } from '../../../bundles/format/item.ts'
import { wheel } from '../support/content.ts'
import { clientEnvironment, startMirror } from '../support/server.ts'

const mirror = await startMirror()
t.teardown(() => mirror.close())
const { curl, url } = mirror
const JSON_TYPE = 'application/vnd.pypi.simple.v1+json'

const lib = await wheel(mirror, 'Demo_Lib', '1.4')
const app = await wheel(mirror, 'demo_app', '2.0', { requires: 'demo-lib>=1' })
await mirror.promote('one', [lib, app])

/** pip with hashes, into a folder; nothing of this machine's pip configuration. */
async function pip(name: string, requirements: readonly Item[]): Promise<{ code: number; stderr: string; target: string }> {
  const folder = join(mirror.folder, 'pip', name)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'requirements.txt'), requirements.map(item => `${item.name}==${item.version} --hash=${item.blobs[0]!.digest}\n`).join(''))
  const args = ['-m', 'pip', '--isolated', '--disable-pip-version-check', '--retries', '0', 'install', '--no-cache-dir', '--target', join(folder, 'target'), '--index-url', `${url}/pypi/simple/`, '--cert', mirror.caFile, '--require-hashes', '-r', join(folder, 'requirements.txt')]
  const { code, stderr } = await runProgram('/usr/bin/python3', { args, env: clientEnvironment(folder), accept: [0, 1], package: 'python3-pip' })
  return { code, stderr, target: join(folder, 'target') }
}

await t.test('pip installs with --require-hashes and finds the dependency', async t => {
  const { code, stderr, target } = await pip('app', [app, lib])
  t.equal(code, 0, stderr)
  t.match(readFileSync(join(target, 'demo_app/__init__.py'), 'utf8'), '2.0')
  t.match(readFileSync(join(target, 'Demo_Lib/__init__.py'), 'utf8'), '1.4')
})

await t.test('a project page is HTML or JSON, as the client asks', async t => {
  const page = await curl(`${url}/pypi/simple/demo-lib/`)
  t.match(page.headers.get('content-type'), /^text\/html/)
  const link = /<a href="([^"#]+)#sha256=([0-9a-f]{64})" data-requires-python="&gt;=3\.8" data-core-metadata="sha256=([0-9a-f]{64})"/.exec(page.body.toString())
  t.equal(`sha256:${link?.[2]}`, lib.blobs[0]!.digest)
  const file = new URL(link?.[1] ?? '', `${url}/pypi/simple/demo-lib/`).href
  t.equal((await curl(file)).body.length, lib.blobs[0]!.size)
  t.match((await curl(`${file}.metadata`)).body.toString(), /^Metadata-Version: 2\.1/)
  const json = await curl('--header', `Accept: ${JSON_TYPE}, text/html;q=0.1`, `${url}/pypi/simple/demo-lib/`)
  t.equal(json.headers.get('content-type'), JSON_TYPE)
  const project = JSON.parse(json.body.toString()) as { meta: object; versions: string[]; files: Record<string, unknown>[] }
  t.same([project.meta, project.versions], [{ 'api-version': '1.1' }, ['1.4']])
  t.same([project.files[0]!['size'], project.files[0]!['requires-python'], project.files[0]!['yanked']], [lib.blobs[0]!.size, '>=3.8', false])
  t.equal((await curl('--header', 'Accept: application/vnd.pypi.simple.v1+html', `${url}/pypi/simple/demo-lib/`)).headers.get('content-type'), 'application/vnd.pypi.simple.v1+html')
})

await t.test('other spellings lead to the one name', async t => {
  for (const [asked, to] of [['Demo_Lib/', 'demo-lib'], ['demo.lib/', 'demo-lib'], ['demo-lib', 'demo-lib']] as const) {
    const answer = await curl(`${url}/pypi/simple/${asked}`)
    t.same([answer.status, answer.headers.get('location')], [301, `/pypi/simple/${to}/`])
  }
  t.equal((await curl(`${url}/g/1/pypi/simple/demo-lib`)).headers.get('location'), '/g/1/pypi/simple/demo-lib/')
  t.match((await curl(`${url}/pypi/simple/`)).body.toString(), /<a href="demo-app\/">demo-app<\/a><br>\n<a href="demo-lib\/">/)
  t.equal((await curl(`${url}/pypi/simple/nothing/`)).status, 404)
})

await t.test('a release may get another wheel, never other bytes under a name it had', async t => {
  const other = await wheel(mirror, 'Demo_Lib', '1.4', { tag: 'cp311-cp311-manylinux_2_17_x86_64' })
  await mirror.promote('two', [other])
  const files = JSON.parse((await curl('--header', `Accept: ${JSON_TYPE}`, `${url}/pypi/simple/demo-lib/`)).body.toString()) as { files: { filename: string }[] }
  t.same(files.files.map(file => file.filename), ['Demo_Lib-1.4-cp311-cp311-manylinux_2_17_x86_64.whl', 'Demo_Lib-1.4-py3-none-any.whl'])
  const old = JSON.parse((await curl('--header', `Accept: ${JSON_TYPE}`, `${url}/g/1/pypi/simple/demo-lib/`)).body.toString()) as { files: object[] }
  t.equal(old.files.length, 1)
  const changed = await wheel(mirror, 'Demo_Lib', '1.4', { tamper: "files['Demo_Lib/more.py'] = ''" })
  await t.rejects(mirror.promote('bad', [changed]), { code: 'DD-MIRROR-001' })
})

await t.test('items that do not fit are refused by name', async t => {
  const withFile = (filename: string): Item => ({ ...lib, metadata: { files: [{ filename }] }, blobs: [{ ...lib.blobs[0]!, name: filename }] })
  for (const item of [withFile('../Demo_Lib-1.4-py3-none-any.whl'), withFile('other-1.4-py3-none-any.whl'), withFile('Demo_Lib.exe'), { ...lib, version: '1/4' }, { ...lib, metadata: { files: [{ filename: 'missing-1.whl' }] } }]) {
    await t.rejects(mirror.promote('bad', [item]), { code: 'DD-MIRROR-004', message: /pypi:demo-lib@/ })
  }
})

await t.test('a wheel that is not what it says is refused by name', async t => {
  const tricks: [string, string][] = [
    ["files['../outside.py'] = ''", 'names that stay inside'],
    ["files['/etc/evil'] = ''", 'names that stay inside'],
    ["lie = 'x'", 'with the hash of RECORD'],
    ["unlisted = {'evil/hidden.py': 'x'}", 'in RECORD with a SHA-2 hash'],
    ["files[f'{info}/METADATA'] = metadata.replace('Name: evil', 'Name: numpy')", 'the METADATA that is served beside it'],
    ["metadata = files[f'{info}/METADATA'] = metadata.replace('Name: evil', 'Name: numpy')", 'METADATA of evil'],
    ["metadata = files[f'{info}/METADATA'] = metadata.replace('Version: 1.0', 'Version: 2.0')", 'METADATA of version 1.0'],
    ["files['other-1.dist-info/METADATA'] = metadata", 'one .dist-info/METADATA'],
  ]
  for (const [tamper, expected] of tricks) {
    await t.rejects(wheel(mirror, 'evil', '1.0', { tamper }).then(item => mirror.store.catalogue.validate(item)), { code: 'DD-MIRROR-004', message: new RegExp(`expected .*${expected.replaceAll('.', '\\.')}.* in pypi:evil@1\\.0`) }, tamper)
  }
  const bomb = Buffer.from(await mirror.store.blobs.read(lib.blobs[0]!.digest as never))
  for (let at = bomb.indexOf('PK\u0001\u0002'); at >= 0; at = bomb.indexOf('PK\u0001\u0002', at + 4)) bomb.writeUInt32LE(0xfffffffe, at + 24)
  const tall = await mirror.store.blobs.put(bomb)
  await t.rejects(mirror.store.catalogue.validate({ ...lib, blobs: [{ ...lib.blobs[0]!, digest: tall }, lib.blobs[1]!] }), { code: 'DD-MIRROR-004', message: /at most 8589934592 bytes/ })
  const cut = await mirror.store.blobs.put((await mirror.store.blobs.read(lib.blobs[0]!.digest as never)).subarray(0, 400))
  await t.rejects(mirror.store.catalogue.validate({ ...lib, blobs: [{ ...lib.blobs[0]!, digest: cut }, lib.blobs[1]!] }), { code: 'DD-MIRROR-004', message: /found no zip archive/ })
})

await t.test('pip refuses a wheel that was altered on the disk', async t => {
  const evil = await wheel(mirror, 'altered', '1.0')
  await mirror.promote('three', [evil])
  await mirror.alter(evil.blobs[0]!.digest)
  const { code, stderr } = await pip('victim', [evil])
  t.equal(code, 1)
  t.match(stderr, /DO NOT MATCH THE HASHES/)
})
