import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
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
  let up = await verbose(t, site)

  // Everything in which a secret plays a part, also where it goes wrong.
  await site.drydock('eve', site.loginArgs('olga'), { DRYDOCK_PASSWORD: CANARY.wrongPassword })
  await site.drydock('admin', ['ci', 'add', 'server', '--kind', 'sim', '--url', 'http://127.0.0.1:9'], { DRYDOCK_CI_TOKEN: CANARY.ci })
  await site.drydock('admin', ['ci', 'list'])
  const made = (await site.must('olga', ['token', 'new', 'for a script', '--json'])).records()[0]!
  await site.imports(t)
  await site.drydock('olga', ['import', 'run', join(site.media, 'nothing.drydock'), '--on-appliance', '--yes'])

  const tokens = ['admin', ...Object.keys(ROLES)].map(name => (JSON.parse(readFileSync(join(site.folder, 'people', `${name}.json`), 'utf8')) as { appliances: { token: string }[] }).appliances[0]!.token)
  const keys = [...filesIn(join(site.data, 'pki')), ...filesIn(join(site.data, 'secrets')), ...filesIn(site.marks)].filter(path => /key|secret/i.test(path))
  const holders = new Set([...keys, ...filesIn(join(site.data, 'secrets'))])
  const secrets = new Map<string, string>([...Object.entries(CANARY), ['a token for programs', String(made['credential'])], ...tokens.map((token, k): [string, string] => [`session ${k}`, token]), ...keys.flatMap(path => slices(path))])
  t.ok(secrets.size > tokens.length + 6, `${secrets.size} secrets are looked for`)

  const clean = await sweep(site, up, secrets, holders)
  t.same(clean.leaks, [])
  t.ok(clean.bodies > 60, `${clean.bodies} bodies of the API`)
  t.match(clean.log, /console/)
  for (const path of holders) t.equal(statSync(path).mode & 0o077, 0, `${path.slice(site.folder.length)} is its owner's alone`)
  for (const path of filesIn(join(site.data, 'db')).concat(filesIn(join(site.data, 'state')))) t.equal(statSync(path).mode & 0o007, 0, `${path.slice(site.folder.length)} is nobody else's`)

  await t.test('planted ones are caught, each where it was put', async t => {
    up = await verbose(t, site)
    // A secret as a label: that is shown, stored and audited like any other; one in an address, which a careless log would repeat.
    await site.must('olga', ['token', 'new', CANARY.wrongPassword])
    up.say(`{"level":50,"msg":"expected the proxy to answer, found http://proxy:${CANARY.proxy}@127.0.0.1:9/"}`)
    const supportFile = join(site.data, 'support-copy.txt')
    writeFileSync(supportFile, `drydock support\n${[...secrets.values()].join('\n')}\n`, 'latin1')
    const { leaks } = await sweep(site, up, secrets, holders)
    const caught = (where: RegExp): string[] => leaks.filter(each => where.test(each))
    t.same(caught(/^the log /), ['the log holds proxy'], 'in a log line')
    t.same(caught(/^GET \/tokens as olga /), ['GET /tokens as olga holds wrongPassword'], 'in a body of the API')
    t.ok(caught(/\/db\/.* holds wrongPassword$|\/state\/.* holds wrongPassword$/).length > 0, 'in a database or file of the state')
    t.equal(caught(/support-copy\.txt holds /).length, secrets.size, 'every one of them in a file')
  })
})

type Up = { child: ChildProcess; said(): string; say(line: string): void }

/** As verbose as it can be, and with a proxy's password in its environment. */
async function verbose(t: Test, site: RealSite): Promise<Up> {
  const child = spawn(LAUNCHER, ['up', ...site.flags, '--log-level', 'debug'], { env: { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', HTTPS_PROXY: `http://proxy:${CANARY.proxy}@127.0.0.1:9/` }, stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  let said = ''
  const say = (line: string): void => void (said += `${line}\n`)
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')))
  const { promise: ready, resolve: isReady } = Promise.withResolvers<void>()
  createInterface({ input: child.stdout }).on('line', line => {
    say(line)
    if (line.startsWith('console')) isReady()
  })
  await Promise.race([ready, once(child, 'exit')])
  return { child, said: () => said, say }
}

/** Everything that it says, sends, exports and leaves on the disk, looked through for every secret. Ends the appliance. */
async function sweep(site: RealSite, { child, said }: Up, secrets: ReadonlyMap<string, string>, holders: ReadonlySet<string>): Promise<{ leaks: string[]; bodies: number; log: string }> {
  const leaks: string[] = []
  const look = (where: string, text: string): void => {
    for (const [name, secret] of secrets) if (text.includes(secret)) leaks.push(`${where} holds ${name}`)
  }
  const documents = JSON.parse(await runProgram('curl', { args: ['-sk', `${site.url}/openapi.json`], package: 'curl' }).then(({ stdout }) => stdout.toString())) as { paths: Record<string, Record<string, unknown>> }
  const routes = Object.entries(documents.paths).filter(([path, methods]) => 'get' in methods && path.startsWith('/api/v1/') && !path.includes('{') && !path.includes('stream')).map(([path]) => path.slice('/api/v1'.length))
  const more = ['/imports/1', '/imports/1/receipt', '/audit?limit=1000', '/events?limit=1000'].filter(path => !routes.includes(path))
  let bodies = 0
  for (const name of ['admin', ...Object.keys(ROLES)]) {
    const ask = personOf(join(site.folder, 'people', `${name}.json`))
    for (const path of [...routes.filter(route => route !== '/audit/export' && route !== '/events'), ...more]) {
      look(`GET ${path} as ${name}`, JSON.stringify(await ask('GET', path).catch((failure: unknown) => String(failure))))
      bodies++
    }
    look(`the audit export as ${name}`, String(await ask('GET', '/audit/export').catch(String)))
  }
  for (const path of ['/metrics', '/healthz', '/readyz', '/ca.pem', '/appliance.asc', '/']) look(path, (await runProgram('curl', { args: ['-sk', `${site.url}${path}`], package: 'curl' })).stdout.toString('latin1'))
  const stopped = once(child, 'exit')
  child.kill('SIGTERM')
  await stopped
  look('the log', said())
  look('drydock doctor', JSON.stringify(await site.drydock('admin', ['doctor', ...site.flags])))
  for (const path of [...filesIn(site.data), ...filesIn(site.media), site.trust]) if (!holders.has(path)) look(path, readFileSync(path, 'latin1'))
  return { leaks, bodies, log: said() }
}

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
