import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:https'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Log } from '../../../appliance/core/log.ts'
import { dataPaths } from '../../../appliance/state/data-folder.ts'
import { loadConfig } from '../../../appliance/main/inside/config.ts'
import { examine } from '../../../appliance/main/inside/doctor.ts'
import { bringBundle, initSite, planSite, startSite, type Site } from './site.ts'

t.setTimeout(120_000)

async function newSite(t: Test): Promise<Site> {
  const folder = mkdtempSync(join(tmpdir(), 'drydock-up-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const site = await planSite(folder)
  await initSite(site)
  return site
}

async function ask(url: string, ca: string): Promise<{ status: number; body: string }> {
  return await new Promise((done, failed) => {
    get(url, { ca }, response => {
      let body = ''
      response.on('data', (chunk: Buffer) => (body += chunk.toString()))
      response.on('end', () => done({ status: response.statusCode ?? 0, body }))
    }).on('error', failed)
  })
}

await t.test('both ports answer under the certificate of the appliance, and a stop lets go of everything', async t => {
  const site = await newSite(t)
  const ca = readFileSync(join(dataPaths(site.config.dataDir).pki, 'ca.pem'), 'utf8')
  for (const run of ['1st', '2nd']) {
    const appliance = await startSite(site.config)
    const { status, body } = await ask(`${appliance.url}/readyz`, ca)
    t.same([status, JSON.parse(body)], [200, { ready: true, waits: [] }], `${run} run`)
    t.equal((await ask(`${appliance.url}/ca.pem`, ca)).body, ca)
    t.match(await ask(`${appliance.agentUrl}/agent/heartbeat`, ca), { status: 401 }, 'agents need a certificate')
    t.match(await ask(`${appliance.url}/npm/nothing`, ca), { status: 404 })
    t.match(await ask(`${appliance.url}/api/v1/pools`, ca), { status: 401 })
    await appliance.close()
  }
})

await t.test('a second start on the same folder is refused while the first runs, and changes nothing', async t => {
  const site = await newSite(t)
  const appliance = await startSite(site.config)
  await t.rejects(startSite(site.config), { code: 'DD-STATE-003', hint: /./ })
  t.match(await ask(`${appliance.url}/readyz`, appliance.services.caPem), { status: 200 })
  await appliance.close()
})

await t.test('a port in use is said with its number, nothing was begun, and the folder is free again', async t => {
  const site = await newSite(t)
  const { port } = site.config.agentListen
  const other = createServer()
  await new Promise<void>(done => {
    other.listen(port, '127.0.0.1', done)
  })
  await t.rejects(startSite(site.config), { code: 'DD-STATE-018', message: new RegExp(`127\\.0\\.0\\.1:${port}`), hint: new RegExp(`${port}`) })
  await new Promise(done => {
    other.close(done)
  })
  const appliance = await startSite(site.config)
  t.same(appliance.services.audit.list().map(({ action }) => action), ['init', 'up'])
  await appliance.close()
})

await t.test('a folder of a newer format, without its state, or with a damaged history stops the start', async t => {
  const site = await newSite(t)
  const paths = dataPaths(site.config.dataDir)
  const format = readFileSync(paths.format, 'utf8')
  writeFileSync(paths.format, format.replace('"format":1', '"format":2'))
  await t.rejects(startSite(site.config), { code: 'DD-STATE-002', message: /found format 2/, hint: /newer Drydock/ })
  t.match(readFileSync(paths.format, 'utf8'), '"format":2')
  writeFileSync(paths.format, format)
  const desired = readFileSync(paths.desired)
  rmSync(paths.desired)
  await t.rejects(startSite(site.config), { code: 'DD-STATE-004' })
  writeFileSync(paths.desired, desired)
  const history = readFileSync(paths.history)
  writeFileSync(paths.history, 'not a database, by no means')
  await t.rejects(startSite(site.config), { code: 'DD-STATE-008' })
  writeFileSync(paths.history, history)
  await (await startSite(site.config)).close()
})

await t.test('a clock that runs behind is told as a wrong clock, and trusted time goes on from the floor', async t => {
  const site = await newSite(t)
  const told: string[] = []
  const note = (fields: Record<string, unknown>): void => void told.push(String(fields['code']))
  const log: Log = { debug() {}, info() {}, warn: note, error: note }
  const appliance = await startSite(site.config, { wall: { now: () => new Date('1970-01-02') } }, log)
  t.same(told, ['DD-TRUST-009'])
  t.ok(appliance.services.clock.now() >= new Date('2026-11-01'), 'time never falls below the build and the last audit record')
  const { imports, operations } = appliance.services
  const { id } = imports.submitPath(await bringBundle(site), { actor: 'olga', idempotencyKey: 'i' })
  while (operations.get(id)?.state !== 'failed') await new Promise(done => setTimeout(done, 10))
  t.match(operations.get(id), { error: { code: 'DD-TRUST-009', message: /found 1970-01-02/, retryable: true } }, 'the bundle is not blamed')
  await appliance.close()
})

await t.test('when the newest state was lost the appliance goes on with the one before it, and it is audited', async t => {
  const site = await newSite(t)
  const first = await startSite(site.config)
  await first.desired.update(draft => {
    draft.policy.approvals = 2
  })
  await first.close()
  writeFileSync(dataPaths(site.config.dataDir).desired, '')
  const second = await startSite(site.config)
  t.equal(second.desired.read().policy.approvals, 1)
  t.match(second.services.audit.list().at(-2), { action: 'state.recovered', outcome: 'failed' })
  await second.close()
})

await t.test('an import that waits for a person still waits after a restart', async t => {
  const site = await newSite(t)
  const bundle = await bringBundle(site)
  const first = await startSite(site.config)
  const { id } = first.services.imports.submitPath(bundle, { actor: 'olga', idempotencyKey: 'i' })
  t.match(first.services.operations.get(id), { kind: 'import' })
  while (first.services.operations.get(id)?.state !== 'waiting') await new Promise(done => setTimeout(done, 10))
  await first.close()
  const second = await startSite(site.config)
  t.match(second.services.operations.get(id), { state: 'waiting', waitingOn: 'proceed' })
  t.match(second.services.imports.get(id), { state: 'verified', preflight: { sequence: 1 } })
  await second.close()
})

await t.test('configuration: flags before environment before file, and an unknown field is refused', async t => {
  const folder = t.testdir({ 'drydock.yaml': 'siteId: of-file\nlisten: 127.0.0.1:1001\npublicUrl: https://file.example:1001\n' })
  const flags = { config: join(folder, 'drydock.yaml'), dataDir: join(folder, 'data') }
  t.match(await loadConfig(flags, {}), { siteId: 'of-file', listen: { host: '127.0.0.1', port: 1001 }, publicUrl: 'https://file.example:1001', names: ['file.example', 'localhost', '127.0.0.1'], marksDir: join(folder, 'data.marks') })
  t.match(await loadConfig(flags, { DRYDOCK_SITE: 'of-environment' }), { siteId: 'of-environment' })
  t.match(await loadConfig({ ...flags, siteId: 'of-flag' }, { DRYDOCK_SITE: 'of-environment' }), { siteId: 'of-flag' })
  await t.rejects(loadConfig({ ...flags, listen: 'nowhere' }, {}), { code: 'DD-CORE-009' })
  await t.rejects(loadConfig({ ...flags, listen: '127.0.0.1:70000' }, {}), { code: 'DD-STATE-017' })
  await t.rejects(loadConfig({ ...flags, config: join(folder, 'none.yaml') }, {}), { code: 'DD-STATE-017' })
  writeFileSync(join(folder, 'drydock.yaml'), 'color: blue\n')
  await t.rejects(loadConfig(flags, {}), { code: 'DD-CORE-009', message: /"color"/ })
  writeFileSync(join(folder, 'drydock.yaml'), 'a: [\n')
  await t.rejects(loadConfig(flags, {}), { code: 'DD-STATE-017', message: /line/ })
})

await t.test('doctor says what is good, what is bad and what to do, and what it cannot know', async t => {
  const site = await newSite(t)
  const good = await examine(site.config)
  t.match(good.find(({ check }) => check === 'desired state'), { state: 'good', found: 'serial 1' })
  writeFileSync(dataPaths(site.config.dataDir).desired, '')
  const bad = await examine(site.config)
  t.match(bad.find(({ check }) => check === 'desired state'), { state: 'bad', hint: /restore/ })
  const path = process.env['PATH']
  process.env['PATH'] = '/nonexistent'
  const poor = await examine(site.config).finally(() => (process.env['PATH'] = path))
  t.match(poor.find(({ check }) => check === 'bwrap'), { state: 'bad', found: 'not installed', hint: 'apt-get install bubblewrap' })
  t.match((await examine({ ...site.config, dataDir: join(site.folder, 'media') }))[0], { state: 'bad', found: /found an empty one/ })
})
