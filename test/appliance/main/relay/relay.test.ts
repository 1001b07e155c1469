import t from 'tap'
import { createCipheriv, createHash } from 'node:crypto'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { stringify } from 'yaml'
import { digestOf } from '../../../../appliance/core/digest.ts'
import { canonicalJson } from '../../../../bundles/format/canonical-json.ts'
import { openBundle, signBundle } from '../../../../bundles/build/index.ts'
import { startArchive } from '../../../bundles/collect/support/archive.ts'
import { startLoopback } from '../../../bundles/collect/support/loopback.ts'
import { person, trustOf, type Person } from '../../../support/bundles.ts'
import type { Outcome } from '../../../../appliance/main/outside/relay/delivery.ts'
import { readRelay } from '../../../../appliance/main/outside/relay/relay-file.ts'
import { outcomeOfRound } from './outcome-of-round.ts'
import { LAUNCHER, runDrydock, type Run } from '../../cli/run-drydock.ts'
import { startCountingProxy } from './counting-proxy.ts'

/** The machine may be busy with other tests. */
t.setTimeout(300_000)

const [relayKey, ana] = await Promise.all([person('Relay'), person('Ana Ruiz')])
const root = t.testdir()
const registry = await startLoopback()
const debian = await startLoopback()
const archive = await startArchive(join(root, 'archive'), debian, [{ name: 'tool' }])
const proxy = await startCountingProxy({ 'registry.invalid': registry.url, 'deb.invalid': debian.url })
t.teardown(async () => {
  await proxy.close()
  await registry.close()
  await debian.close()
})

const TARBALL = gzipSync('a small package')
const INTEGRITY = `sha512-${createHash('sha512').update(TARBALL).digest('base64')}`
function publish(version: string): void {
  registry.files.set(`/thing/${version}`, JSON.stringify({ name: 'thing', version, license: 'MIT', dist: { tarball: `http://registry.invalid/thing/-/thing-${version}.tgz`, integrity: INTEGRITY } }))
  registry.files.set(`/thing/-/thing-${version}.tgz`, TARBALL)
}

/** So many bytes that no two pieces of them are the same. */
const bigFile = (mebibytes: number) => createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16)).update(Buffer.alloc(mebibytes * 1024 * 1024))

type Place = { folder: string; watch: string; workspace: string; relay(more?: object): string; run(...words: string[]): Promise<Run>; /** A round in this process. */ round(more?: { force?: boolean; whole?: boolean }): Promise<Outcome & { said: string[] }>; dropped(): string[]; content(text: string): void }

/** A relay with files only; `more` adds other kinds. */
function place(name: string, options: { people?: readonly Person[]; threshold?: number; collection?: object } = {}): Place {
  const folder = join(root, name)
  const [watch, workspace] = [join(folder, 'watch'), join(folder, 'ws')]
  mkdirSync(join(folder, 'files'), { recursive: true })
  mkdirSync(watch)
  writeFileSync(join(folder, 'relay.key'), relayKey.secret, { mode: 0o600 })
  writeFileSync(join(folder, 'trust.json'), JSON.stringify(trustOf(options.people ?? [relayKey], options.threshold ?? 1)))
  writeFileSync(join(folder, 'collection.yaml'), stringify({ apiVersion: 'drydock/v1', kind: 'Collection', name: 'tools', files: [{ path: 'files' }], ...options.collection }))
  return {
    folder, watch, workspace,
    relay(more = {}) {
      writeFileSync(join(folder, 'relay.yaml'), stringify({ apiVersion: 'drydock/v1', kind: 'Relay', collection: 'collection.yaml', workspace: 'ws', site: 'site-a', watchFolder: 'watch', trust: 'trust.json', sign: { keys: ['relay.key'] }, ...more }))
      return join(folder, 'relay.yaml')
    },
    run: async (...words) => await runDrydock(['bundle', 'relay', join(folder, 'relay.yaml'), ...words], { env: { HOME: folder, npm_config_cache: join(root, 'npm-cache') } }),
    async round(more = {}) {
      const said: string[] = []
      const outcome = await outcomeOfRound({ relay: await readRelay(join(folder, 'relay.yaml')), environment: process.env, clock: { now: () => new Date() }, signal: new AbortController().signal, force: false, whole: false, ...more, progress: () => undefined, say: text => said.push(text) })
      return { ...outcome, said }
    },
    dropped: () => readdirSync(watch).toSorted(),
    content: text => writeFileSync(join(folder, 'files', 'note.txt'), text),
  }
}

const sequenceOf = async (file: string): Promise<number> => {
  const opened = await openBundle(file)
  await opened.close()
  return opened.manifest.sequence
}

await t.test('what changed is dropped, what did not is not, and everything came through the proxy', async t => {
  const { signedBy, ...source } = archive.source
  const site = place('proxied', { collection: { arch: 'amd64', npm: { projects: ['project'] }, apt: { sources: [{ ...source, uri: 'http://deb.invalid', signedBy }], suites: ['test'], packages: ['tool'] } } })
  const project = (version: string) => JSON.stringify({ lockfileVersion: 3, packages: { '': { name: 'p' }, 'node_modules/thing': { version, integrity: INTEGRITY } } })
  mkdirSync(join(site.folder, 'project'))
  writeFileSync(join(site.folder, 'project', '.npmrc'), 'registry=http://registry.invalid/\n')
  writeFileSync(join(site.folder, 'project', 'package.json'), '{ "name": "p", "dependencies": { "thing": "1" } }')
  writeFileSync(join(site.folder, 'project', 'package-lock.json'), project('1.0.0'))
  site.content('one')
  publish('1.0.0')
  site.relay({ proxy: proxy.url, volume: '1000000' })

  const first = await site.run('--once', '--json')
  t.match(first, { code: 0 }, first.err)
  t.match(first.records().at(-1), { type: 'round', outcome: 'dropped', files: [join(site.watch, 'tools-0001.v1-of-1.drydock')] })
  t.same(site.dropped(), ['tools-0001.v1-of-1.drydock'])
  t.ok(existsSync(join(site.workspace, 'sent', 'tools-0001.cdx.json')))
  t.match(await runDrydock(['bundle', 'verify', join(site.watch, 'tools-0001.v1-of-1.drydock'), '--trust', join(site.folder, 'trust.json'), '--site', 'site-a']), { code: 0 })
  const through = proxy.asked.length
  t.equal(through, registry.requests.length + debian.requests.length, 'no server saw a request that the proxy did not')
  for (const part of ['http://registry.invalid/thing/-/thing-1.0.0.tgz', 'http://deb.invalid/dists/test/InRelease', 'http://deb.invalid/pool/tool_1.0_amd64.deb']) t.ok(proxy.asked.includes(part), part)

  const second = await site.run('--once')
  t.match(second, { code: 0, out: /nothing changed since sequence 1; nothing dropped/ }, second.err)
  t.same(site.dropped(), ['tools-0001.v1-of-1.drydock'])

  writeFileSync(join(site.folder, 'project', 'package-lock.json'), project('1.1.0'))
  const failed = await site.run('--once')
  t.match(failed, { code: 1, err: /DD-COLLECT-006/ }, 'the registry does not have it yet')
  t.match(await site.run('--status'), { code: 0, out: /failures {3}1 since a good round; what was dropped before stays/ })
  t.same(site.dropped(), ['tools-0001.v1-of-1.drydock'])

  publish('1.1.0')
  t.match(await site.run('--once'), { code: 0, out: /dropped sequence 2 for site-a: tools-0002/ })
  t.same(site.dropped(), ['tools-0001.v1-of-1.drydock', 'tools-0002.v1-of-1.drydock'])
  t.equal(proxy.asked.length, registry.requests.length + debian.requests.length)
  t.match(await site.run('--status', '--json').then(run => run.records()), [{ type: 'status', running: false, failures: 0, sites: [{ site: 'site-a', dropped: { sequence: 2 }, waiting: [], moving: null }] }])
})

await t.test('what needs a second signature waits in the outbox, and is dropped when it has it', async t => {
  const site = place('two', { people: [relayKey, ana], threshold: 2 })
  site.content('one')
  site.relay()
  const waits = await site.run('--once', '--json')
  t.match(waits, { code: 4 }, waits.err)
  t.match(waits.records().at(-1), { outcome: 'waiting', code: 'DD-RELAY-005', text: /needs 1 more signature for release and waits in the outbox: drydock bundle sign / })
  t.same(site.dropped(), [])
  t.match(await site.round(), { outcome: 'waiting', text: /nothing changed; sequence 1 still waits/ }, 'the same is not made twice')
  const waiting = (sequence: number) => join(site.workspace, 'outbox', `tools-000${sequence}`, `tools-000${sequence}.v1-of-1.drydock`)
  await signBundle(waiting(1), ana.signer)
  t.match(await site.round(), { outcome: 'dropped', said: [/dropped sequence 1/] })
  t.same(site.dropped(), ['tools-0001.v1-of-1.drydock'])
  t.same(readdirSync(join(site.workspace, 'outbox')), [])

  for (const text of ['two', 'three']) {
    site.content(text)
    await site.round()
  }
  await signBundle(waiting(3), ana.signer)
  t.match((await site.round()).said, [/sequence 3 was dropped before .*tools-0002 was signed/, /dropped sequence 3/])
  t.same(site.dropped(), ['tools-0001.v1-of-1.drydock', 'tools-0003.v1-of-1.drydock'])
})

await t.test('where nothing comes back, each bundle stands on the one that was dropped before', async t => {
  const site = place('one-way')
  const manifestOf = async (sequence: number) => {
    const opened = await openBundle(join(site.watch, `tools-000${sequence}.v1-of-1.drydock`))
    await opened.close()
    return opened
  }
  writeFileSync(join(site.folder, 'files', 'stays.bin'), bigFile(1))
  site.content('one')
  site.relay({ since: 'dropped' })
  t.match(await site.round(), { outcome: 'dropped' })
  site.content('two')
  t.match(await site.round(), { outcome: 'dropped', text: /a delta/ })
  const [first, second] = [await manifestOf(1), await manifestOf(2)]
  t.match(second.manifest, { base: first.manifestDigest, baseSequence: 1, totals: { bytes: 3 } })
  t.match(await site.round({ force: true, whole: true }), { outcome: 'dropped' })
  t.same([(await manifestOf(3)).manifest.base, (await manifestOf(3)).manifest.totals.bytes], [undefined, 1024 * 1024 + 3])
})

await t.test('a receipt that the appliance signed makes the next bundle small, one that it did not is named and left out', async t => {
  const site = place('receipts')
  const [receipts, key] = [join(site.folder, 'receipts'), join(site.folder, 'appliance.asc')]
  mkdirSync(receipts)
  writeFileSync(key, ana.public)
  writeFileSync(join(site.folder, 'files', 'stays.bin'), bigFile(1))
  site.content('one')
  site.relay({ since: { receipts: 'receipts', applianceKey: 'appliance.asc' } })
  t.match(await site.round(), { outcome: 'dropped' })
  const inventory = [digestOf('one'), digestOf(bigFile(1))].toSorted()
  for (const [name, person, generation] of [['good', ana, 2], ['forged', relayKey, 9]] as const) {
    const receipt = canonicalJson({
      format: 'drydock-receipt/1', applianceId: 'x', site: 'site-a', stream: 'tools', epoch: 0, sequence: 1, manifest: digestOf('m'), generation, at: '2026-01-01T00:00:00.000Z', signers: [], submittedBy: 'o', approvedBy: [],
      inventoryDigest: digestOf(canonicalJson(inventory)), inventory, counts: {}, refused: [], missing: [],
    })
    writeFileSync(join(receipts, `${name}.json`), receipt)
    writeFileSync(join(receipts, `${name}.json.asc`), await person.signer.sign(Buffer.from(receipt)))
  }
  site.content('two')
  const round = await site.round()
  t.match(round, { outcome: 'dropped', said: [/left out .*forged\.json: .*DD-TRUST/] })
  const opened = await openBundle(round.files[0]!)
  await opened.close()
  t.match(opened.manifest, { base: digestOf(readFileSync(join(receipts, 'good.json'))), totals: { bytes: 3 } })
})

await t.test('a key that the site does not trust, and a watch folder that is not there, are told before anything is fetched', async t => {
  const site = place('untrusted', { people: [ana] })
  site.content('one')
  site.relay()
  await t.rejects(site.round(), { code: 'DD-RELAY-003' })
  site.relay({ watchFolder: 'nowhere' })
  await t.rejects(site.round(), { code: 'DD-RELAY-004' })
  t.notOk(existsSync(join(site.folder, 'nowhere')))
  t.match(await site.run(), { code: 2, err: /expected every or at .*DD-RELAY-001/s })
})

await t.test('it goes on by its schedule, one at a time, until it is told to stop', async t => {
  const site = place('scheduled')
  site.content('one')
  site.relay({ every: '1s' })
  const child = spawn(LAUNCHER, ['bundle', 'relay', join(site.folder, 'relay.yaml'), '--json'], { env: { PATH: process.env['PATH'] ?? '', HOME: site.folder }, stdio: ['ignore', 'pipe', 'inherit'] })
  let out = ''
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString('utf8')))
  const ended = once(child, 'close') as Promise<[number | null]>
  const rounds = () => out.split('\n').filter(line => line.includes('"round"')).map(line => (JSON.parse(line) as { outcome: string }).outcome)
  const until = async (is: () => boolean) => {
    while (!is() && child.exitCode === null) await pause(50)
  }
  await until(() => rounds().includes('unchanged'))
  t.match(await Promise.all([site.run('--once'), site.run('--status')]), [{ code: 1, err: /found it in use by process \d+\n.*DD-RELAY-002/s }, { out: /relay {6}at work/ }])
  site.content('two')
  await until(() => rounds().filter(outcome => outcome === 'dropped').length === 2)
  // The watch folder goes away and comes back: rounds fail, then one is good again.
  renameSync(site.watch, `${site.watch}-away`)
  await until(() => rounds().includes('failed'))
  renameSync(`${site.watch}-away`, site.watch)
  const before = rounds().length
  await until(() => rounds().slice(before).includes('unchanged'))
  child.kill('SIGTERM')
  t.same((await ended)[0], 0)
  t.same(site.dropped(), ['tools-0001.v1-of-1.drydock', 'tools-0002.v1-of-1.drydock'])
})

await t.test('killed in the middle, it leaves nothing half in the watch folder, and the next round goes on with the same sequence', async t => {
  const site = place('killed')
  writeFileSync(join(site.folder, 'files', 'big.bin'), bigFile(48))
  site.relay({ volume: '26000000' })
  const hiddenOf = () => readdirSync(site.watch).filter(name => name.startsWith('.relay-'))
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    const child = spawn(LAUNCHER, ['bundle', 'relay', join(site.folder, 'relay.yaml'), '--once'], { env: { PATH: process.env['PATH'] ?? '', HOME: site.folder }, stdio: ['ignore', 'ignore', 'inherit'] })
    const ended = once(child, 'close') as Promise<[number | null, string | null]>
    while (child.exitCode === null && hiddenOf().length === 0) await pause(5)
    child.kill(signal)
    t.same((await ended).map(String), signal === 'SIGKILL' ? ['null', 'SIGKILL'] : ['130', 'null'])
    t.same(site.dropped().filter(name => !name.startsWith('.')), [], 'nothing that the appliance would look at')
    if (signal === 'SIGTERM') t.same(hiddenOf(), [], 'and nothing left at all')
  }
  const volumes = [1, 2, 3].map(k => `tools-0001.v${k}-of-3.drydock`)
  t.match(await site.round(), { outcome: 'dropped', text: /dropped sequence 1/ })
  t.same(site.dropped(), volumes)

  // Killed between two renames: the state says what was on its way.
  const state = JSON.parse(readFileSync(join(site.workspace, 'relay.json'), 'utf8')) as { dropped: { at: string } }
  const from = join(site.watch, '.relay-x')
  mkdirSync(from)
  for (const name of volumes.slice(1)) renameSync(join(site.watch, name), join(from, name))
  const { at: _at, ...moving } = state.dropped
  writeFileSync(join(site.workspace, 'relay.json'), JSON.stringify({ ...state, dropped: null, moving: { ...moving, from } }))
  t.match(await site.round(), { outcome: 'unchanged', text: /nothing changed since sequence 1/ })
  t.same(site.dropped(), volumes)
  t.equal(await sequenceOf(join(site.watch, volumes[2]!)), 1)

  // Killed after the bundle was told of and before its number was taken: no other bundle gets that number.
  const workspace = JSON.parse(readFileSync(join(site.workspace, 'workspace.json'), 'utf8')) as object
  writeFileSync(join(site.workspace, 'workspace.json'), JSON.stringify({ ...workspace, sequence: 0 }))
  writeFileSync(join(site.folder, 'files', 'big.bin'), 'small')
  t.match(await site.round(), { outcome: 'dropped', text: /dropped sequence 2/ })
})
