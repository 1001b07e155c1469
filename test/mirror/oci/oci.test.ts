import t from 'tap'
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { randomBytes } from 'node:crypto'
import { digestOf, parseDigest } from '../../../appliance/core/digest.ts'
import { runProgram } from '../../../appliance/core/run-program.ts'
import type { Item } from '../../../bundles/format/item.ts'
import { ociImage } from '../support/content.ts'
import { clientEnvironment, startMirror } from '../support/server.ts'

const mirror = await startMirror()
t.teardown(() => mirror.close())
const { curl, url } = mirror
const host = url.slice('https://'.length)
const certs = join(mirror.folder, 'certs')
mkdirSync(certs)
copyFileSync(mirror.caFile, join(certs, 'ca.crt'))

const image = await ociImage(mirror, 'demo/tools', '1.0', 'one', { layerBytes: randomBytes(3 * 1024 * 1024) })
const digest = String(image.metadata['digest'])
await mirror.promote('one', [image])

async function skopeo(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await runProgram('skopeo', { args: ['--insecure-policy', ...args], env: clientEnvironment(mirror.folder), accept: [0, 1] })
  return { code, stdout: stdout.toString('utf8'), stderr }
}

await t.test('skopeo copies an image by tag and by digest, and its digest stays', async t => {
  for (const reference of [`:1.0`, `@${digest}`]) {
    const target = join(mirror.folder, `copy${reference.length}`)
    const { code, stderr } = await skopeo('copy', '--preserve-digests', '--src-cert-dir', certs, `docker://${host}/demo/tools${reference}`, `dir:${target}`)
    t.equal(code, 0, stderr)
    t.equal(digestOf(readFileSync(join(target, 'manifest.json'))), digest)
  }
  const inspected = await skopeo('inspect', '--cert-dir', certs, `docker://${host}/demo/tools:1.0`)
  t.equal((JSON.parse(inspected.stdout) as { Digest: string }).Digest, digest)
  t.same(JSON.parse((await skopeo('list-tags', '--cert-dir', certs, `docker://${host}/demo/tools`)).stdout), { Repository: `${host}/demo/tools`, Tags: ['1.0'] })
})

await t.test('the pull side of the distribution spec', async t => {
  for (const path of ['/v2/', '/v2']) t.same([(await curl(`${url}${path}`)).status, (await curl(`${url}${path}`)).headers.get('docker-distribution-api-version')], [200, 'registry/2.0'])
  const head = await curl('--head', `${url}/v2/demo/tools/manifests/1.0`)
  t.same([head.status, head.headers.get('docker-content-digest'), head.headers.get('content-type')], [200, digest, 'application/vnd.oci.image.manifest.v1+json'])
  const layer = image.blobs[2]!
  const blob = await curl('--range', '0-99', `${url}/v2/demo/tools/blobs/${layer.digest}`)
  t.same([blob.status, blob.body.length, blob.headers.get('docker-content-digest'), blob.headers.get('content-type')], [206, 100, layer.digest, 'application/octet-stream'])
  t.same(JSON.parse((await curl(`${url}/v2/_catalog`)).body.toString()), { repositories: ['demo/tools'] })
  const missing = await curl(`${url}/v2/demo/tools/manifests/9`)
  t.same([missing.status, (JSON.parse(missing.body.toString()) as { errors: { code: string }[] }).errors[0]!.code], [404, 'MANIFEST_UNKNOWN'])
  t.equal((await curl(`${url}/v2/other/blobs/${layer.digest}`)).status, 404, 'a blob is found only under the names that brought it')
  const push = await curl('--request', 'POST', `${url}/v2/demo/tools/blobs/uploads/`)
  t.same([push.status, (JSON.parse(push.body.toString()) as { errors: { code: string }[] }).errors[0]!.code], [405, 'UNSUPPORTED'])
})

await t.test('referrers are listed, and a digest without any has an empty list', async t => {
  t.same(JSON.parse((await curl(`${url}/v2/demo/tools/referrers/${digest}`)).body.toString()), { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests: [] })
  const signature = await ociImage(mirror, 'demo/tools', 'sig', 'signature', { subject: digest })
  await mirror.promote('two', [signature])
  const referrers = JSON.parse((await curl(`${url}/v2/demo/tools/referrers/${digest}`)).body.toString()) as { manifests: { digest: string }[] }
  t.same(referrers.manifests.map(manifest => manifest.digest), [signature.metadata['digest']])
})

await t.test('an old generation is under /v2/g/<n>/', async t => {
  const tags = async (path: string) => (JSON.parse((await curl(`${url}/v2/${path}tags/list`)).body.toString()) as { tags: string[] }).tags
  t.same(await tags('demo/tools/'), ['1.0', 'sig'])
  t.same(await tags('g/1/demo/tools/'), ['1.0'])
  t.equal((await skopeo('inspect', '--cert-dir', certs, `docker://${host}/g/1/demo/tools:1.0`)).code, 0)
  t.equal((await curl(`${url}/v2/g/9/demo/tools/tags/list`)).status, 404)
})

await t.test('a tag does not move, and items that do not fit are refused by name', async t => {
  const moved = await ociImage(mirror, 'demo/tools', '1.0', 'moved')
  await t.rejects(mirror.promote('moved', [moved]), { code: 'DD-MIRROR-001', message: /oci:demo\/tools@1\.0/ })
  const good = await ociImage(mirror, 'demo/good', '1', 'good')
  const asManifest = async (text: string): Promise<Item> => {
    const found = await mirror.store.blobs.put(text)
    return { ...good, metadata: { ...good.metadata, digest: found }, blobs: [...good.blobs, { name: 'm', digest: found, size: text.length, mediaType: String(good.metadata['mediaType']) }] }
  }
  const layer = good.blobs[2]!
  const bad: Item[] = [
    { ...good, name: 'site/good' },
    { ...good, name: 'g/1/good' },
    { ...good, name: 'Demo/../x' },
    { ...good, version: '../1' },
    { ...good, blobs: good.blobs.slice(0, 2) },
    await asManifest('{"schemaVersion":1}'),
    await asManifest('nothing'),
    await asManifest(JSON.stringify({ schemaVersion: 2, layers: [{ mediaType: 'x', digest: layer.digest, size: layer.size + 1 }] })),
    await asManifest(JSON.stringify({ schemaVersion: 2, layers: [{ mediaType: 'x', digest: layer.digest, size: layer.size, urls: ['https://elsewhere.invalid/'] }] })),
  ]
  for (const item of bad) await t.rejects(mirror.promote('bad', [item]), { code: 'DD-MIRROR-004', message: /oci:/ })
  const posing = { ...good, blobs: [...good.blobs.slice(0, 2), { ...layer, mediaType: String(good.metadata['mediaType']) }] }
  await t.rejects(mirror.store.catalogue.validate(posing), { code: 'DD-MIRROR-004', message: /a manifest.* in oci:/ }, 'a layer that calls itself a manifest would be parsed when it is rendered')
})

await t.test('indexes that name each other a thousand times are walked once', async t => {
  const INDEX = 'application/vnd.oci.image.index.v1+json'
  const leaf = await ociImage(mirror, 'demo/tree', '1', 'tree')
  let child = { mediaType: String(leaf.metadata['mediaType']), digest: parseDigest(String(leaf.metadata['digest'])), size: leaf.blobs[0]!.size }
  const indexes: Item['blobs'] = []
  for (let depth = 0; depth < 3; depth++) {
    const text = JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: Array.from({ length: 1000 }, () => child) })
    const digest = await mirror.store.blobs.put(text)
    child = { mediaType: INDEX, digest, size: text.length }
    indexes.push({ name: `index-${depth}`, ...child, digest })
  }
  await t.resolves(mirror.store.catalogue.validate({ ...leaf, metadata: { mediaType: INDEX, digest: child.digest }, blobs: [...indexes, ...leaf.blobs] }))
})

await t.test('skopeo refuses a layer that was altered on the disk', async t => {
  const evil = await ociImage(mirror, 'demo/evil', '1', 'evil', { layerBytes: randomBytes(4096) })
  await mirror.promote('three', [evil])
  await mirror.alter(evil.blobs[2]!.digest)
  const { code, stderr } = await skopeo('copy', '--src-cert-dir', certs, `docker://${host}/demo/evil:1`, `dir:${join(mirror.folder, 'evil')}`)
  t.equal(code, 1)
  t.match(stderr, /[Dd]igest did not match|does not match|checksum/)
})
