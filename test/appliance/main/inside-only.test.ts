import { execFile, spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { get } from 'node:https'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { createInterface } from 'node:readline'
import t from 'tap'
import { planSite } from './site.ts'

/** The machine may be busy with other tests. */
t.setTimeout(240_000)

const CHECKOUT = join(import.meta.dirname, '../../..')
/** What the connected side alone has. The package that is installed inside is made without it. */
const LEFT_OUT = ['bundles/collect', 'appliance/main/outside']

const folder = mkdtempSync(join(tmpdir(), 'drydock-inside-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

/** Product and packages, nothing else: no test, no collector, no verb of the connected side. */
const installed = join(folder, 'installed')
mkdirSync(installed)
for (const part of ['appliance', 'bundles', 'importer', 'mirror', 'ui', 'package.json']) {
  cpSync(join(CHECKOUT, part), join(installed, part), { recursive: true, filter: path => !LEFT_OUT.includes(relative(CHECKOUT, path)) })
}
symlinkSync(realpathSync(join(CHECKOUT, 'node_modules')), join(installed, 'node_modules'))
const DRYDOCK = join(installed, 'appliance/main/drydock')

type Ran = { status: number | null; stdout: string; stderr: string }

async function drydock(...words: string[]): Promise<Ran> {
  const { promise, resolve } = Promise.withResolvers<Ran>()
  const child = execFile(DRYDOCK, words, (_failure, stdout, stderr) => resolve({ status: child.exitCode, stdout, stderr }))
  return await promise
}

async function statusOf(url: string, ca: string): Promise<number> {
  return await new Promise((done, failed) => {
    get(url, { ca }, response => {
      response.resume()
      done(response.statusCode ?? 0)
    }).on('error', failed)
  })
}

await t.test('the package that is installed inside has no collector, and says where what it lacks is run', async t => {
  for (const part of LEFT_OUT) t.notOk(existsSync(join(installed, part)), `${part} is left out`)
  t.match(await drydock('--help'), { status: 0, stdout: /pool/ })
  for (const words of [['bundle', 'collect', 'x.yaml'], ['key', 'new', '--name', 'Ana Ruiz'], ['bundle', 'sign', 'x.drydock']]) {
    t.match(await drydock(...words), { status: 2, stderr: /found it left out\n.*connected side.*DD-CLI-004/ }, words.join(' '))
  }
  for (const noun of ['import', 'pool', 'audit']) t.match(await drydock(noun, '--help'), { status: 0 }, noun)
})

await t.test('it makes an appliance, starts with the private npm registry, answers, and stops when it is told', async t => {
  const site = await planSite(join(folder, 'site'))
  const { config, trustFile } = site
  const at = ['--data', config.dataDir, '--marks', config.marksDir]
  const made = await drydock('init', ...at, '--trust', trustFile, '--site', config.siteId, '--public-url', config.publicUrl, '--fingerprint', ...site.people.map(({ key }) => key.fingerprint),
    '--listen', `127.0.0.1:${config.listen.port}`, '--agent-listen', `127.0.0.1:${config.agentListen.port}`, '--json')
  t.equal(made.status, 0, made.stderr)
  const { caFile } = JSON.parse(made.stdout) as { caFile: string }

  const child = spawn(DRYDOCK, ['up', ...at, '--json'], { stdio: ['ignore', 'pipe', 'ignore'] })
  t.teardown(() => child.kill('SIGKILL'))
  const exited = new Promise<number | null>(done => child.once('exit', done))
  const first = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next()
  t.match(JSON.parse(String(first.value)), { type: 'up', url: config.publicUrl })
  const ca = readFileSync(caFile, 'utf8')
  t.equal(await statusOf(`${config.publicUrl}/readyz`, ca), 200)
  t.equal(await statusOf(`${config.publicUrl}/npm/@site%2fnothing`, ca), 404, 'verdaccio answers')
  child.kill('SIGTERM')
  t.equal(await exited, 0)
})
