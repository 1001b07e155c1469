import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t from 'tap'
import { runProgram } from '../../appliance/core/run-program.ts'
import { LAUNCHER } from '../appliance/cli/run-drydock.ts'
import { personOf } from '../crash/person.ts'
import { PASSWORD, RealSite, ROLES } from './real-site.ts'

/** The machine may be busy with other tests. */
t.setTimeout(280_000)

const CANARY = { wrongPassword: 'canary-wrong-password-1', ci: 'canary-ci-token-2', proxy: 'canary-proxy-password-3', ownPassword: PASSWORD }

await t.test('no secret that an appliance holds or is told is in what it says, sends, exports or leaves readable', async t => {
  const site = await RealSite.open(t)
  await site.down()
  // As verbose as it can be, and with a proxy's password in its environment.
  const up = spawn(LAUNCHER, ['up', ...site.flags, '--log-level', 'debug'], { env: { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', HTTPS_PROXY: `http://proxy:${CANARY.proxy}@127.0.0.1:9/` }, stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => up.kill('SIGKILL'))
  let said = ''
  up.stderr.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')))
  const { promise: ready, resolve: isReady } = Promise.withResolvers<void>()
  createInterface({ input: up.stdout }).on('line', line => {
    said += `${line}\n`
    if (line.startsWith('console')) isReady()
  })
  await Promise.race([ready, once(up, 'exit')])

  // Everything in which a secret plays a part, also where it goes wrong.
  await site.drydock('eve', site.loginArgs('olga'), { DRYDOCK_PASSWORD: CANARY.wrongPassword })
  await site.drydock('admin', ['ci', 'add', 'server', '--kind', 'sim', '--url', 'http://127.0.0.1:9'], { DRYDOCK_CI_TOKEN: CANARY.ci })
  await site.drydock('admin', ['ci', 'list'])
  const made = (await site.must('olga', ['token', 'new', 'for a script', '--json'])).records()[0]!
  await site.imports(t)
  await site.drydock('olga', ['import', 'run', join(site.media, 'nothing.drydock'), '--on-appliance', '--yes'])

  const tokens = ['admin', ...Object.keys(ROLES)].map(name => (JSON.parse(readFileSync(join(site.folder, 'people', `${name}.json`), 'utf8')) as { appliances: { token: string }[] }).appliances[0]!.token)
  const keys = [...filesIn(join(site.data, 'pki')), ...filesIn(join(site.data, 'secrets')), ...filesIn(site.marks)].filter(path => /key|secret/i.test(path))
  const secrets = new Map<string, string>([...Object.entries(CANARY), ['a token for programs', String(made['credential'])], ...tokens.map((token, k): [string, string] => [`session ${k}`, token]), ...keys.flatMap(path => slices(path))])
  t.ok(secrets.size > tokens.length + 6, `${secrets.size} secrets are looked for`)

  const found = (where: string, text: string): void => {
    for (const [name, secret] of secrets) if (text.includes(secret)) t.fail(`${where} holds ${name}`)
  }
  const documents = JSON.parse(await runProgram('curl', { args: ['-sk', `${site.url}/openapi.json`], package: 'curl' }).then(({ stdout }) => stdout.toString())) as { paths: Record<string, Record<string, unknown>> }
  const routes = Object.entries(documents.paths).filter(([path, methods]) => 'get' in methods && path.startsWith('/api/v1/') && !path.includes('{') && !path.includes('stream')).map(([path]) => path.slice('/api/v1'.length))
  const more = ['/imports/1', '/imports/1/receipt', '/audit?limit=1000', '/events?limit=1000'].filter(path => !routes.includes(path))
  let bodies = 0
  for (const name of ['admin', ...Object.keys(ROLES)]) {
    const ask = personOf(join(site.folder, 'people', `${name}.json`))
    for (const path of [...routes.filter(route => route !== '/audit/export' && route !== '/events'), ...more]) {
      found(`GET ${path} as ${name}`, JSON.stringify(await ask('GET', path).catch((failure: unknown) => String(failure))))
      bodies++
    }
    found(`the audit export as ${name}`, String(await ask('GET', '/audit/export').catch(String)))
  }
  for (const path of ['/metrics', '/healthz', '/readyz', '/ca.pem', '/appliance.asc', '/']) found(path, (await runProgram('curl', { args: ['-sk', `${site.url}${path}`], package: 'curl' })).stdout.toString('latin1'))
  t.ok(bodies > 60, `${bodies} bodies of the API`)

  const stopped = once(up, 'exit')
  up.kill('SIGTERM')
  await stopped
  t.match(said, /console/)
  found('the log', said)
  found('drydock doctor', JSON.stringify(await site.drydock('admin', ['doctor', ...site.flags])))

  const holders = new Set([...keys, ...filesIn(join(site.data, 'secrets'))])
  for (const path of [...filesIn(site.data), ...filesIn(site.media), site.trust]) if (!holders.has(path)) found(path, readFileSync(path, 'latin1'))
  for (const path of holders) t.equal(statSync(path).mode & 0o077, 0, `${path.slice(site.folder.length)} is its owner's alone`)
  for (const path of filesIn(join(site.data, 'db')).concat(filesIn(join(site.data, 'state')))) t.equal(statSync(path).mode & 0o007, 0, `${path.slice(site.folder.length)} is nobody else's`)
})

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile() && entry.name !== 'reserve').map(entry => join(entry.parentPath, entry.name))
}

/** Lines of a key that are long enough to be nobody else's; of a binary one, its bytes as they are and in hex and base64. */
function slices(path: string): [string, string][] {
  const bytes = readFileSync(path)
  const lines = bytes.toString('latin1').split('\n').filter(line => line.length >= 40 && !line.startsWith('-----'))
  const forms = lines.length > 0 ? [lines[Math.floor(lines.length / 2)]!] : [bytes.toString('latin1'), bytes.toString('hex'), bytes.toString('base64')]
  return forms.map((form, k): [string, string] => [`${path} (${k})`, form])
}
