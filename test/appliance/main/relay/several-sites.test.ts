import t, { type Test } from 'tap'
import { createCipheriv, createHash } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { openBundle, signBundle } from '../../../../bundles/build/index.ts'
import { startLoopback } from '../../../bundles/collect/support/loopback.ts'
import { person, trustOf } from '../../../support/bundles.ts'
import { runDrydock, type Run } from '../../cli/run-drydock.ts'

/** The machine may be busy with other tests. */
t.setTimeout(300_000)

const [relayKey, ana] = await Promise.all([person('Relay'), person('Ana Ruiz')])
const server = await startLoopback()
t.teardown(() => server.close())
const TOOL = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16)).update(Buffer.alloc(300_000))
server.files.set('/tool.bin', TOOL)

type Place = { folder: string; relay(file: object): void; run(...words: string[]): Promise<Run>; dropped(site: string): string[]; note(text: string): void }

function place(folder: string): Place {
  for (const name of ['files', 'a', 'b']) mkdirSync(join(folder, name))
  writeFileSync(join(folder, 'relay.key'), relayKey.secret, { mode: 0o600 })
  writeFileSync(join(folder, 'trust-a.json'), JSON.stringify(trustOf([relayKey], 1)))
  writeFileSync(join(folder, 'trust-b.json'), JSON.stringify(trustOf([relayKey, ana], 1)))
  writeFileSync(join(folder, 'collection.yaml'), stringify({
    apiVersion: 'drydock/v1', kind: 'Collection', name: 'tools', files: [{ path: 'files' }, { url: `${server.url}/tool.bin`, sha256: createHash('sha256').update(TOOL).digest('hex') }],
  }))
  return {
    folder,
    relay: file => writeFileSync(join(folder, 'relay.yaml'), stringify({ apiVersion: 'drydock/v1', kind: 'Relay', collection: 'collection.yaml', workspace: 'ws', sign: { keys: ['relay.key'] }, ...file })),
    run: async (...words) => await runDrydock(['bundle', 'relay', join(folder, 'relay.yaml'), ...words], { env: { HOME: folder } }),
    dropped: site => readdirSync(join(folder, site)).toSorted(),
    note: text => writeFileSync(join(folder, 'files', 'note.txt'), text),
  }
}

const BOTH = { since: 'dropped', sites: [{ site: 'site-a', watchFolder: 'a', trust: 'trust-a.json', volume: 250_000, parity: 1 }, { site: 'site-b', watchFolder: 'b', trust: 'trust-b.json' }] }
const outcomes = (run: Run) => run.records().filter(record => record['type'] === 'round').map(({ site, outcome }) => `${String(site)} ${String(outcome)}`)
const FIRST_A = ['tools-0001.p1.drydock', 'tools-0001.v1-of-2.drydock', 'tools-0001.v2-of-2.drydock']

await t.test('what is collected once goes to each site, under its own sequence, and one that fails holds up no other', async t => {
  const here = place(t.testdir())
  here.note('one')
  here.relay(BOTH)
  const first = await here.run('--once', '--json')
  t.match(first, { code: 0 }, first.err)
  t.same(outcomes(first), ['site-a dropped', 'site-b dropped'])
  t.same(here.dropped('a'), FIRST_A)
  t.same(here.dropped('b'), ['tools-0001.v1-of-1.drydock'])
  t.same(server.requests.map(({ path }) => path), ['/tool.bin'], 'fetched once for both')
  t.same(readdirSync(join(here.folder, 'ws/sites')).toSorted(), ['site-a', 'site-b'])
  for (const [site, trust, files] of [['site-a', 'trust-a.json', FIRST_A.map(name => join('a', name))], ['site-b', 'trust-b.json', ['b/tools-0001.v1-of-1.drydock']]] as const) {
    t.match(await runDrydock(['bundle', 'verify', ...files.map(file => join(here.folder, file)), '--trust', join(here.folder, trust), '--site', site]), { code: 0 })
  }

  here.note('two')
  renameSync(join(here.folder, 'a'), join(here.folder, 'a-away'))
  const second = await here.run('--once', '--json')
  t.match(second, { code: 1, err: /DD-RELAY-004/ })
  t.same(outcomes(second), ['site-a failed', 'site-b dropped'])
  t.match(await here.run('--status'), { out: /site {7}site-a\n.*failed, expected the watch folder[^]*failures {3}1 since[^]*site {7}site-b\n.*dropped sequence 2 for site-b, a delta/ })
  renameSync(join(here.folder, 'a-away'), join(here.folder, 'a'))
  const third = await here.run('--once', '--json')
  t.same(outcomes(third), ['site-a dropped', 'site-b unchanged'], third.err)
  t.match(third, { code: 0 })

  const again = await here.run('--once', '--site', 'site-b', '--force', '--whole', '--json')
  t.same(outcomes(again), ['site-b dropped'])
  const manifestOf = async (file: string) => {
    const opened = await openBundle(join(here.folder, file))
    await opened.close()
    return opened.manifest
  }
  t.match([await manifestOf('a/tools-0002.v1-of-1.drydock'), await manifestOf('b/tools-0003.v1-of-1.drydock')], [{ site: 'site-a', sequence: 2, baseSequence: 1, parity: [{}] }, { site: 'site-b', sequence: 3, base: undefined }])
  const [a, b] = [await manifestOf('a/tools-0001.v1-of-2.drydock'), await manifestOf('b/tools-0001.v1-of-1.drydock')]
  t.not(a.workspace, b.workspace, 'each site knows its own sender')
})

await t.test('a set from the relay survives a lost volume', async t => {
  const here = place(t.testdir())
  here.note('one')
  here.relay({ site: 'site-a', watchFolder: 'a', trust: 'trust-a.json', volume: '250000', parity: 1 })
  t.match(await here.run('--once'), { code: 0 })
  t.same(here.dropped('a'), FIRST_A)
  const lost = readFileSync(join(here.folder, 'a', FIRST_A[2]!))
  mkdirSync(join(here.folder, 'repaired'))
  t.match(await runDrydock(['bundle', 'repair', ...FIRST_A.slice(0, 2).map(name => join(here.folder, 'a', name)), '--out', join(here.folder, 'repaired'), '--trust', join(here.folder, 'trust-a.json')]), { code: 0 })
  t.ok(readFileSync(join(here.folder, 'repaired', FIRST_A[2]!)).equals(lost))
})

await t.test('a relay of one site that gets more keeps its sequence, or says how', async t => {
  const here = place(t.testdir())
  here.note('one')
  here.relay({ site: 'site-a', watchFolder: 'a', trust: 'trust-a.json' })
  t.match(await here.run('--once'), { code: 0 })
  here.note('two')
  here.relay(BOTH)
  const refused = await here.run('--once', '--site', 'site-a')
  t.match(refused, { code: 2, err: /expected what was sent to site-a so far in .*sites\/site-a, found it in .*ws\ndo: .*mkdir -p .* && mv workspace.json records relay.json sent .*DD-RELAY-001/ })
  const ws = join(here.folder, 'ws')
  mkdirSync(join(ws, 'sites/site-a'), { recursive: true })
  for (const name of ['workspace.json', 'records', 'relay.json', 'sent']) renameSync(join(ws, name), join(ws, 'sites/site-a', name))
  t.match(await here.run('--once', '--json'), { code: 0 })
  t.ok(existsSync(join(here.folder, 'a/tools-0002.v1-of-1.drydock')))
})

await t.test('a set that waited on another file system is copied whole before its first file appears', { skip: process.getuid?.() !== 0 && 'only root can mount a small disk' }, async t => {
  const here = place(t.testdir({ outbox: {} }))
  writeFileSync(join(here.folder, 'trust-a.json'), JSON.stringify(trustOf([relayKey, ana], 2)))
  here.note('one')
  here.relay({ site: 'site-a', watchFolder: 'a', trust: 'trust-a.json', volume: 250_000, parity: 1, outbox: 'outbox' })
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m,mode=0700', 'drydock-test', join(here.folder, 'outbox')])
  try {
    await copied(t, here)
  } finally {
    execFileSync('umount', [join(here.folder, 'outbox')])
  }
})

async function copied(t: Test, here: Place): Promise<void> {
  t.match(await here.run('--once'), { code: 4 })
  const waiting = join(here.folder, 'outbox/tools-0001')
  await signBundle(FIRST_A.map(name => join(waiting, name)), ana.signer)
  const began = Date.now()
  t.match(await here.run('--once'), { code: 0, out: /dropped sequence 1/ })
  t.same(here.dropped('a'), FIRST_A)
  const changed = FIRST_A.map(name => statSync(join(here.folder, 'a', name)))
  t.ok(changed.every(({ birthtimeMs }) => birthtimeMs >= began - 1000), 'they were copied')
  t.ok(Math.max(...changed.map(({ ctimeMs }) => ctimeMs)) - Math.min(...changed.map(({ ctimeMs }) => ctimeMs)) < 500, 'and got their names together')
  t.same(readdirSync(join(here.folder, 'outbox')), [])
}

await t.test('a file that contradicts itself is refused in words', async t => {
  const here = place(t.testdir())
  const [a, b] = BOTH.sites
  for (const [file, said] of [
    [{ sites: [a, { ...b, site: 'site-a' }] }, /each site once .*found site-a twice/],
    [{ sites: [a, { ...b, watchFolder: './a' }] }, /a watch folder for each site .*found .*\/a twice/],
    [{ sites: [a], site: 'site-b' }, /expected watchFolder at each of the sites|found it at the top too/],
    [{ sites: [{ site: 'site-a', watchFolder: 'a' }] }, /expected the trust document of site-a/],
    [{ site: 'site-a', trust: 'trust-a.json' }, /found no watchFolder/],
  ] as const) {
    here.relay(file)
    t.match(await here.run('--once'), { code: 2, err: said })
  }
  here.relay({ ...BOTH, parity: 17 })
  t.match(await here.run('--once'), { code: 2, err: /DD-CORE-009/ })
  here.relay(BOTH)
  t.match(await here.run('--once', '--site', 'site-c'), { code: 2, err: /found site-c\ndo: name one of site-a, site-b/ })
  t.match(await here.run('--site', 'site-a'), { code: 2, err: /DD-CLI-001/ })
})
