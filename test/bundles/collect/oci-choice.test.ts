import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { digestOf } from '../../../appliance/core/digest.ts'
import { runProgram } from '../../../appliance/core/run-program.ts'
import { BLOB_FOLDER } from '../../../bundles/format/collection-lock.ts'
import type { Item } from '../../../bundles/format/item.ts'
import { clientEnvironment, startMirror, type TestMirror } from '../../mirror/support/server.ts'
import { startCounting } from './support/counting.ts'
import { startLoopback } from './support/loopback.ts'
import { pushLayout, writeMultiImage } from './support/multi-image.ts'
import { startRegistry } from './support/registry.ts'
import { collectFault, runCollect } from './support/run-collect.ts'

const folder = t.testdir()
const registry = await startRegistry(folder)
t.teardown(() => registry.stop())
const host = registry.reference.split('/')[0]!
const counting = await startCounting(`http://${host}`)
t.teardown(() => counting.close())
const image = await writeMultiImage(join(folder, 'layout'))
await pushLayout(image.layout, `http://${host}`, 'multi/tool', image.tags)
const reference = `${new URL(counting.url).host}/multi/tool:1`
const digests = (item: Item | undefined) => new Set(item?.blobs.map(blob => blob.digest as string))

t.setTimeout(120_000)

await t.test('without a choice every platform comes, with what is attested about it and the licence that its annotation names', async t => {
  const { lock } = await runCollect(t.testdir(), { oci: [{ reference }] })
  t.strictSame(lock.items.map(item => item.version), ['1'])
  const held = digests(lock.items[0])
  for (const each of [image.index, image.amd64, image.arm64, image.attestation, image.layers.amd64, image.layers.arm64]) t.ok(held.has(each))
  t.strictSame(lock.items[0]?.licences, ['MIT'])
})

await t.test('a chosen platform comes under the digest of the whole index, without the bytes of the others', async t => {
  counting.reset()
  const { lock } = await runCollect(t.testdir(), { oci: [{ reference, platform: 'linux/amd64' }] })
  const held = digests(lock.items[0])
  t.equal(lock.items[0]?.metadata['digest'], image.index)
  t.ok(held.has(image.amd64) && held.has(image.layers.amd64))
  t.notOk(held.has(image.arm64) || held.has(image.layers.arm64) || held.has(image.attestation))
  t.notOk(counting.requests.some(path => path.includes(image.layers.arm64)), 'they were not even asked for')
  const arm = await runCollect(t.testdir(), { oci: [{ reference, platform: ['linux/arm64'] }] })
  t.ok(digests(arm.lock.items[0]).has(image.attestation), 'what is attested about a chosen one comes along')
})

await t.test('a platform that is not there is refused with those that are', async t => {
  t.match(await collectFault(t.testdir(), { oci: [{ reference, platform: 'linux/arm/v7' }] }), { code: 'DD-COLLECT-006', message: /linux\/arm\/v7.*linux\/amd64, linux\/arm64\/v8/ })
  const single = `${host}/demo/tools:1`
  t.match(await collectFault(t.testdir(), { oci: [{ reference: single, platform: 'linux/arm64' }] }), { code: 'DD-COLLECT-006', message: /linux\/amd64 alone/ })
})

await t.test('what refers to the image comes when it is asked for: by subject with the image, by cosign\'s tags as tags', async t => {
  const want = [{ reference, platform: 'linux/amd64', referrers: true }]
  const here = t.testdir()
  const { lock } = await runCollect(join(here, 'registry'), { oci: want })
  t.strictSame(lock.items.map(item => item.version), ['1', image.signatureTag])
  t.ok(digests(lock.items[0]).has(image.sbom))
  const byLayout = await runCollect(join(here, 'layout'), { oci: [{ layout: image.layout, tag: '1', as: 'multi/tool:1', platform: 'linux/amd64', referrers: true }] })
  t.strictSame(byLayout.lock.items, lock.items, 'a layout on the disk gives the same')
  const tar = join(here, 'image.tar')
  await runProgram('tar', { args: ['-C', image.layout, '-cf', tar, '.'] })
  const byArchive = await runCollect(join(here, 'archive'), { oci: [{ archive: tar, tag: '1', as: 'multi/tool:1', platform: 'linux/amd64', referrers: true }] })
  t.strictSame(byArchive.lock.items, lock.items, 'and so does an archive')
})

async function served(t: { teardown(end: () => Promise<void>): void }, items: readonly Item[], workspace: string): Promise<{ mirror: TestMirror; certs: string }> {
  const mirror = await startMirror()
  t.teardown(() => mirror.close())
  const certs = join(mirror.folder, 'certs')
  await mkdir(certs)
  await copyFile(mirror.caFile, join(certs, 'ca.crt'))
  for (const blob of items.flatMap(item => item.blobs)) {
    await copyFile(join(workspace, BLOB_FOLDER, blob.digest.slice(7)), join(mirror.folder, 'adopted'))
    await mirror.adopt(join(mirror.folder, 'adopted'))
  }
  await mirror.promote('one', items)
  return { mirror, certs }
}

await t.test('inside, a client pulls the chosen platform by its tag and finds the referrers; collecting from our own mirror brings the same again', async t => {
  const here = t.testdir()
  const { lock } = await runCollect(here, { oci: [{ reference, platform: 'linux/amd64', referrers: true }] })
  const { mirror, certs } = await served(t, lock.items, join(here, 'workspace'))
  const inside = new URL(mirror.url).host
  const skopeo = async (...args: string[]) => await runProgram('skopeo', { args: ['--insecure-policy', '--override-arch', 'amd64', '--override-os', 'linux', 'copy', '--quiet', '--src-cert-dir', certs, ...args], env: clientEnvironment(mirror.folder), accept: [0, 1] })
  t.equal((await skopeo(`docker://${inside}/multi/tool:1`, `dir:${join(mirror.folder, 'pulled')}`)).code, 0)
  t.equal(digestOf(await readFile(join(mirror.folder, 'pulled/manifest.json'))), image.amd64)
  t.equal((await skopeo(`docker://${inside}/multi/tool:${image.signatureTag}`, `dir:${join(mirror.folder, 'signature')}`)).code, 0)
  t.not((await skopeo('--all', `docker://${inside}/multi/tool:1`, `dir:${join(mirror.folder, 'all')}`)).code, 0, 'who wants every platform is told that it is not there')
  const again = await runCollect(join(here, 'again'), { oci: [{ reference: `${inside}/multi/tool:1`, platform: 'linux/amd64', referrers: true }] }, { environment: { CURL_CA_BUNDLE: mirror.caFile, NO_PROXY: 'localhost', no_proxy: 'localhost' } })
  t.strictSame(again.lock.items, lock.items, 'by the referrers API, over TLS')
  const distrusted = await collectFault(join(here, 'distrusted'), { oci: [{ reference: `${inside}/multi/tool:1` }] }, { environment: { CURL_CA_BUNDLE: undefined, SSL_CERT_FILE: undefined, NO_PROXY: 'localhost', no_proxy: 'localhost' } })
  t.match(distrusted, { code: 'DD-COLLECT-005', message: /certificate that this machine trusts/ })
})

await t.test('a collect that was stopped in the middle fetches only what is missing; with everything there it asks for the tag alone', async t => {
  const here = t.testdir()
  const stop = new AbortController()
  counting.reset()
  // The first question, the tag, three manifests and two blobs; the rest hangs until the run is stopped.
  counting.holdAfter(7)
  const stopped = collectFault(here, { oci: [{ reference }] }, { signal: stop.signal })
  while (counting.requests.length < 8) await new Promise(resolve => void setTimeout(resolve, 20))
  await new Promise(resolve => void setTimeout(resolve, 300))
  stop.abort()
  t.equal((await stopped).code, 'DD-CORE-007')
  const first = counting.requests.slice(0, 7).filter(path => path.includes('/blobs/'))
  counting.reset()
  await runCollect(here, { oci: [{ reference }] })
  t.notOk(counting.requests.some(path => first.includes(path)), 'what came before was kept')
  counting.reset()
  t.equal((await runCollect(here, { oci: [{ reference }] })).fetchedBytes, 0)
  t.strictSame(counting.requests, ['/v2/', '/v2/multi/tool/manifests/1'])
})

await t.test('a list of referrers that comes in pages is read to its end', async t => {
  const here = t.testdir()
  const paged = await startLoopback()
  t.teardown(() => paged.close())
  const blob = async (digest: string) => await readFile(join(image.layout, 'blobs/sha256', digest.slice(7)))
  const list = (manifests: object[]) => JSON.stringify({ schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests })
  const sbom = await blob(image.sbom)
  const { config, layers } = JSON.parse(sbom.toString()) as { config: { digest: string }; layers: { digest: string }[] }
  const index = await blob(image.index)
  const all = new Set([image.amd64, config.digest, ...layers.map(layer => layer.digest), ...(JSON.parse((await blob(image.amd64)).toString()) as { layers: { digest: string }[] }).layers.map(layer => layer.digest)])
  all.add((JSON.parse((await blob(image.amd64)).toString()) as { config: { digest: string } }).config.digest)
  for (const digest of all) for (const kind of ['blobs', 'manifests']) paged.files.set(`/v2/a/b/${kind}/${digest}`, await blob(digest))
  paged.files.set('/v2/a/b/manifests/1', index)
  paged.files.set(`/v2/a/b/manifests/${image.sbom}`, sbom)
  paged.files.set(`/v2/a/b/referrers/${image.index}`, (response, request) => {
    const last = request.url?.includes('last=')
    response.writeHead(200, last === true ? {} : { link: `</v2/a/b/referrers/${image.index}?last=1>; rel="next"` })
    response.end(list(last === true ? [{ mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: image.sbom, size: sbom.length }] : []))
  })
  const { lock } = await runCollect(here, { oci: [{ reference: `${new URL(paged.url).host}/a/b:1`, platform: 'linux/amd64', referrers: true }] })
  t.ok(digests(lock.items[0]).has(image.sbom))
})

await t.test('what docker save writes is taken as it is', async t => {
  const here = t.testdir()
  const tar = join(here, 'docker.tar')
  await runProgram('skopeo', { args: ['copy', '--quiet', `oci:${registry.layout}:1`, `docker-archive:${tar}:demo/tools:1`] })
  const wish = { oci: [{ dockerArchive: tar, as: 'demo/tools:1' }] }
  const first = await runCollect(here, wish)
  t.match(first.lock.items, [{ name: 'demo/tools', version: '1', metadata: { mediaType: 'application/vnd.docker.distribution.manifest.v2+json' } }])
  t.equal((await runCollect(here, wish, { workspace: join(here, 'other') })).lockDigest, first.lockDigest, 'the same archive, the same digests')
})

await t.test('credentials of skopeo login go to the registry and its token service, and nowhere into the lock', async t => {
  const here = t.testdir()
  const guarded = await startLoopback()
  t.teardown(() => guarded.close())
  const manifest = await readFile(join(registry.layout, 'blobs/sha256', registry.digest.slice(7)))
  const { config, layers } = JSON.parse(manifest.toString()) as { config: { digest: string }; layers: { digest: string }[] }
  const tokens = new Map<string, string>()
  guarded.files.set('/token', (response, request) => {
    tokens.set('asked', `${request.url} ${request.headers.authorization}`)
    response.end('{"token":"canary-token"}')
  })
  for (const [path, bytes] of [['manifests/1', manifest], ...[config, ...layers].map(({ digest }) => [`blobs/${digest}`, digest] as const)] as const) {
    const body = typeof bytes === 'string' ? await readFile(join(registry.layout, 'blobs/sha256', bytes.slice(7))) : bytes
    guarded.files.set(`/v2/a/b/${path}`, (response, request) => {
      if (request.headers.authorization !== 'Bearer canary-token') response.writeHead(401, { 'www-authenticate': `Bearer realm="${guarded.url}/token",service="ours",scope="repository:a/b:pull"` }).end()
      else response.end(body)
    })
  }
  const at = new URL(guarded.url).host
  await writeFile(join(here, 'auth.json'), JSON.stringify({ auths: { [at]: { auth: Buffer.from('ana:canary').toString('base64') } } }))
  const { lock } = await runCollect(here, { oci: [{ reference: `${at}/a/b:1` }] }, { environment: { REGISTRY_AUTH_FILE: join(here, 'auth.json') } })
  t.equal(lock.items[0]?.metadata['digest'], registry.digest)
  t.match(tokens.get('asked'), /service=ours&scope=repository%3Aa%2Fb%3Apull Basic YW5hOmNhbmFyeQ==$/)
  t.notMatch(JSON.stringify(lock), /canary/)
})

await t.test('a signature policy of this machine is left to skopeo, which refuses what it does not sign', async t => {
  const here = t.testdir()
  await mkdir(join(here, '.config/containers'), { recursive: true })
  await writeFile(join(here, '.config/containers/policy.json'), JSON.stringify({ default: [{ type: 'reject' }] }))
  const fault = await collectFault(here, { oci: [{ reference }] }, { environment: { HOME: here } })
  t.equal(fault.code, 'DD-COLLECT-004')
})
