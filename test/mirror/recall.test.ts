import t from 'tap'
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { digestOf } from '../../appliance/core/digest.ts'
import { runProgram } from '../../appliance/core/run-program.ts'
import type { Item } from '../../bundles/format/item.ts'
import type { RecallRecord } from '../../bundles/format/recall.ts'
import { deb, file, npmPackage, ociImage, wheel } from './support/content.ts'
import { clientEnvironment, startMirror } from './support/server.ts'

t.setTimeout(120_000)
const mirror = await startMirror()
t.teardown(() => mirror.close())
const { curl, url, folder } = mirror
const host = url.slice('https://'.length)

const bad = {
  npm: await npmPackage(mirror, 'left-trim', '1.0.0'),
  pypi: await wheel(mirror, 'Demo_Lib', '1.4'),
  deb: await deb(mirror, 'hello-data', '1:2.0', { architecture: 'all' }),
  oci: await ociImage(mirror, 'demo/tools', '1.0', 'one'),
  file: await file(mirror, 'tools/flash.bin', 'bad firmware', '3'),
}
const good = {
  npm: [await npmPackage(mirror, 'left-trim', '1.0.1'), await npmPackage(mirror, 'right-trim', '1.0.0')],
  pypi: [await wheel(mirror, 'Demo_Lib', '1.5'), await wheel(mirror, 'other_lib', '1.0')],
  deb: [await deb(mirror, 'hello-drydock', '1.0-1')],
  // The same layer under another manifest: a recall of the one image is none of the other.
  oci: [await ociImage(mirror, 'demo/other', '1.0', 'one', { subject: String(bad.oci.metadata['digest']) })],
  file: [await file(mirror, 'tools/readme.txt', 'fine', '1')],
}
await mirror.promote('first', Object.values(bad))
await mirror.promote('second', Object.values(good).flat())

const record = (change: Partial<RecallRecord> & Pick<RecallRecord, 'id'>): RecallRecord => ({
  reason: 'steals keys', severity: 'critical', date: '2026-11-21T08:00:00Z', digests: [], items: [], replacement: null, manifest: digestOf('bundle'), at: '2026-11-21T09:00:00.000Z', lifted: null, ...change,
})
const named = record({ id: 'r-1', items: ['npm:left-trim@1.0.0', 'pypi:demo.lib@1.4', 'oci:demo/tools@1.0'], replacement: 'the next version' })
const byDigest = record({ id: 'r-2', digests: [bad.deb.blobs[0]!.digest, bad.file.blobs[0]!.digest] })

async function client(program: string, args: readonly string[], cwd = folder, accept = [0, 1, 22, 100]): Promise<{ code: number; output: string }> {
  const { code, stdout, stderr } = await runProgram(program, { args, cwd, env: clientEnvironment(folder), accept })
  return { code, output: stdout.toString('utf8') + stderr }
}

let runs = 0
const fresh = (): string => {
  const path = join(folder, `client-${++runs}`)
  mkdirSync(path)
  return path
}

/** Each ecosystem's own client, with empty caches, takes one thing. */
const takes = {
  async npm(name: string, version: string) {
    const at = fresh()
    writeFileSync(join(at, 'package.json'), '{"name":"app","version":"1.0.0"}')
    writeFileSync(join(at, '.npmrc'), `registry=${url}/npm/\ncafile=${mirror.caFile}\ncache=${join(at, '.cache')}\naudit=false\nfund=false\nupdate-notifier=false\nfetch-retries=0\n`)
    return await client('npm', ['install', `${name}@${version}`], at)
  },
  async pypi(name: string, version: string) {
    const at = fresh()
    const flags = ['--isolated', '--disable-pip-version-check', '--retries', '0', 'install', '--no-deps', '--no-cache-dir', '--target', join(at, 'target'), '--index-url', `${url}/pypi/simple/`, '--cert', mirror.caFile]
    return await client('/usr/bin/python3', ['-m', 'pip', ...flags, `${name}==${version}`], at)
  },
  async deb(name: string) {
    const at = fresh()
    for (const part of ['state/lists/partial', 'cache/archives/partial', 'etc']) mkdirSync(join(at, part), { recursive: true })
    writeFileSync(join(at, 'status'), '')
    writeFileSync(join(at, 'etc/sources.list'), `deb [signed-by=${mirror.keyFile}] ${url}/apt bookworm main\n`)
    const settings = {
      'Dir::State': join(at, 'state'), 'Dir::State::status': join(at, 'status'), 'Dir::Cache': join(at, 'cache'), 'Dir::Etc': join(at, 'etc'), 'Dir::Etc::sourceparts': '-', 'Dir::Etc::trusted': '/nonexistent',
      'Dir::Etc::trustedparts': '/nonexistent', 'Acquire::https::CaInfo': mirror.caFile, 'APT::Sandbox::User': '', 'APT::Architecture': 'amd64', 'APT::Architectures': 'amd64', 'Acquire::Retries': '0', 'Acquire::Languages': 'none',
    }
    const flags = Object.entries(settings).flatMap(([key, value]) => ['-o', `${key}=${value}`])
    const update = await client('apt-get', [...flags, 'update'], at)
    if (update.code !== 0 || /^[WE]:/m.test(update.output)) return { code: -1, output: update.output }
    return await client('apt-get', [...flags, 'download', name], at)
  },
  async oci(name: string, tag: string) {
    const certs = join(folder, 'certs')
    if (!existsSync(certs)) mkdirSync(certs)
    copyFileSync(mirror.caFile, join(certs, 'ca.crt'))
    return await client('skopeo', ['--insecure-policy', 'copy', '--src-cert-dir', certs, `docker://${host}/${name}:${tag}`, `dir:${fresh()}`])
  },
  async file(path: string) {
    return await client('curl', ['--silent', '--show-error', '--fail-with-body', '--cacert', mirror.caFile, `${url}/files/${path}`])
  },
}

await t.test('before the recall every client gets it', async t => {
  for (const [kind, item] of Object.entries(bad)) t.match(await takes[kind as keyof typeof bad](item.name, item.version), { code: 0 }, kind)
})

await t.test('after the recall every client is refused, and those whose client shows it read why', async t => {
  mirror.withdrawn.set([named, byDigest])
  const says: Record<string, RegExp> = { npm: /410 Gone.*withdrawn by recall r-1 \(critical\): steals keys; use the next version instead/, pypi: /410 Client Error: Gone|HTTP error 410/, deb: /410\s+Gone/, oci: /withdrawn by recall r-1|410/, file: /withdrawn by recall r-2 \(critical\): steals keys/ }
  for (const [kind, item] of Object.entries(bad)) {
    const { code, output } = await takes[kind as keyof typeof bad](item.name, item.version)
    t.not(code, 0, `${kind} is refused`)
    t.match(output, says[kind], kind)
  }
})

await t.test('every other package keeps working, other versions and images with the same layer too', async t => {
  for (const [kind, items] of Object.entries(good)) {
    for (const item of items) {
      const { code, output } = await takes[kind as keyof typeof bad](item.name, item.version)
      t.equal(code, 0, `${kind} ${item.name} ${item.version}: ${output}`)
    }
  }
})

const pathsOf = (item: Item): string[] => ({
  npm: [`/npm/left-trim/-/left-trim-1.0.0.tgz`],
  pypi: item.blobs.map(blob => `/pypi/files/demo-lib/1.4/${blob.name}`),
  deb: ['/apt/pool/bookworm/main/hello-data/1/hello-data_2.0_all.deb'],
  oci: ['/v2/demo/tools/manifests/1.0', `/v2/demo/tools/manifests/${String(item.metadata['digest'])}`, `/v2/demo/tools/blobs/${String(item.metadata['digest'])}`],
  file: ['/files/tools/flash.bin'],
} as Record<string, string[]>)[item.kind]!

await t.test('older generations, HEAD, ranges and conditional requests are answered the same; nobody may keep the answer', async t => {
  for (const item of Object.values(bad)) {
    for (const path of pathsOf(item)) {
      const old = path.startsWith('/v2/') ? path.replace('/v2/', '/v2/g/1/') : `/g/1${path}`
      const tag = `"sha256-${item.blobs[0]!.digest.slice(7)}"`
      for (const args of [[path], [old], ['--head', path], ['--range', '0-3', path], ['--header', `If-None-Match: ${tag}`, path]]) {
        const answer = await curl(...args.slice(0, -1), `${url}${args.at(-1)}`)
        t.same([answer.status, answer.headers.get('cache-control')], [410, 'no-store'], args.join(' '))
      }
    }
  }
  t.match(JSON.parse((await curl(`${url}/npm/left-trim`)).body.toString()), { versions: { '1.0.0': {}, '1.0.1': {} } }, 'it stays listed')
})

await t.test('what is withdrawn can be asked by item and by digest, and said for people', async t => {
  for (const item of Object.values(bad)) t.ok(mirror.withdrawn.byItem(item), item.kind)
  for (const item of Object.values(good).flat()) t.equal(mirror.withdrawn.byItem(item), undefined, `${item.kind} ${item.name}`)
  t.same(mirror.withdrawn.items().map(({ item, recall }) => `${recall.id} ${item.kind}`).toSorted(), ['r-1 npm', 'r-1 oci', 'r-1 pypi', 'r-2 deb', 'r-2 file'])
  t.equal(mirror.withdrawn.byItem({ ...bad.npm, blobs: [] })?.id, 'r-1', 'a name is withdrawn with any bytes')
  mirror.withdrawn.set([record({ id: 'r-3', items: ['npm:left-trim@*'] })])
  for (const version of ['1.0.0', '1.0.1', '7.0.0']) t.equal(mirror.withdrawn.byItem({ ...bad.npm, version, blobs: [] })?.id, 'r-3', version)
})

await t.test('after it is lifted everything is served as before', async t => {
  const lifted = { at: '2026-11-22T00:00:00.000Z', reason: 'a false alarm', manifest: digestOf('lift') }
  mirror.withdrawn.set([{ ...named, lifted }, { ...byDigest, lifted }])
  for (const [kind, item] of Object.entries(bad)) t.match(await takes[kind as keyof typeof bad](item.name, item.version), { code: 0 }, kind)
})
