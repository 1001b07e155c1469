import t from 'tap'
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runProgram } from '../../../appliance/core/run-program.ts'
import { startPrivateRegistry } from '../../../mirror/npm/private-registry.ts'
import { publishedIn } from '../../../mirror/npm/published.ts'
import type { NpmAuthentication } from '../../../mirror/npm/authentication.ts'
import { npmPackage } from '../support/content.ts'
import { clientEnvironment, startMirror } from '../support/server.ts'

const people: Record<string, { password: string; groups: string[] }> = { ana: { password: 'pass word', groups: ['operator'] }, vic: { password: 'v', groups: ['viewer'] } }
const authentication: NpmAuthentication = {
  async authenticate(credentials) {
    const [name, known] = 'token' in credentials ? [credentials.token.replace(/^token-of-/, ''), true] : [credentials.user, people[credentials.user]?.password === credentials.password]
    const person = people[name]
    return known && person !== undefined ? { name, groups: person.groups } : null
  },
  login: async (user, password) => (people[user]?.password === password ? `token-of-${user}` : null),
  logout: async token => void ended.push(token),
  record: change => void recorded.push(change),
}
const ended: string[] = []
const recorded: Parameters<NpmAuthentication['record']>[0][] = []

const mirror = await startMirror({ authentication })
t.teardown(() => mirror.close())
const { curl, url } = mirror
await mirror.promote('one', [await npmPackage(mirror, 'left-trim', '1.0.0')])

function npmIn(name: string, token: string | undefined, files: Record<string, string>): (...args: string[]) => Promise<{ code: number; stdout: string; stderr: string }> {
  const folder = join(mirror.folder, 'private', name)
  mkdirSync(folder, { recursive: true })
  for (const [path, text] of Object.entries(files)) writeFileSync(join(folder, path), text)
  const auth = token === undefined ? '' : `//${url.slice('https://'.length)}/npm/:_authToken=${token}\n`
  writeFileSync(join(folder, '.npmrc'), `registry=${url}/npm/\ncafile=${mirror.caFile}\ncache=${join(folder, '.cache')}\naudit=false\nfund=false\nupdate-notifier=false\nfetch-retries=0\n${auth}`)
  return async (...args) => {
    const { code, stdout, stderr } = await runProgram('npm', { args, cwd: folder, env: clientEnvironment(folder), accept: [0, 1] })
    return { code, stdout: stdout.toString('utf8'), stderr }
  }
}
/** Larger than the server takes as JSON elsewhere. */
const LARGE = randomBytes(1536 * 1024).toString('hex')
const source = (version: string) => ({ 'package.json': JSON.stringify({ name: '@site/tool', version, description: 'ours', main: 'index.js' }), 'index.js': `module.exports = '${version}'\n`, large: LARGE })

await t.test('npm publishes into @site, knows who it is, and another installs it', async t => {
  const npm = npmIn('publisher', 'token-of-ana', source('1.0.0'))
  t.equal((await npm('whoami')).stdout.trim(), 'ana')
  const published = await npm('publish')
  t.equal(published.code, 0, published.stderr)
  const user = npmIn('user', undefined, { 'package.json': JSON.stringify({ name: 'user', version: '1.0.0', dependencies: { '@site/tool': '1.0.0', 'left-trim': '1.0.0' } }) })
  const installed = await user('install')
  t.equal(installed.code, 0, installed.stderr)
  t.equal((await user('dist-tag', 'ls', '@site/tool')).stdout.trim(), 'latest: 1.0.0')
  t.match((await user('search', '@site/tool')).stdout, /@site\/tool/)
})

await t.test('what was published can be met file by file, by whoever looks at all that is served, until it is unpublished', async t => {
  const published = publishedIn(join(mirror.folder, 'data'))
  const npm = npmIn('passing', 'token-of-ana', { 'package.json': JSON.stringify({ name: '@site/passing-by', version: '2.0.0-rc.1' }) })
  t.equal((await npm('publish', '--tag', 'next')).code, 0)
  const files = await published.files()
  t.match(files.map(({ key, name, version }) => [key, name, version]), [['@site/passing-by/passing-by-2.0.0-rc.1.tgz', '@site/passing-by', '2.0.0-rc.1'], ['@site/tool/tool-1.0.0.tgz', '@site/tool', '1.0.0']])
  for (const { path, size } of files) t.equal(readFileSync(path).length, size)
  t.ok(readFileSync(files[0]!.path).subarray(0, 2).equals(Buffer.from([0x1f, 0x8b])), 'the tarball itself')
  t.ok(published.has('@site/passing-by/passing-by-2.0.0-rc.1.tgz'))
  for (const key of ['@site/passing-by/passing-by-2.0.0.tgz', 'left-trim/left-trim-1.0.0.tgz', '@site/tool', '@site/../passing-by', '@site/tool/../tool/tool-1.0.0.tgz', '@site/tool/..', '']) t.notOk(published.has(key), key)
  t.equal((await npm('unpublish', '@site/passing-by@2.0.0-rc.1', '--force')).code, 0)
  t.notOk(published.has('@site/passing-by/passing-by-2.0.0-rc.1.tgz'))
  t.same((await published.files()).map(({ name }) => name), ['@site/tool'])
  t.same(await publishedIn(t.testdir()).files(), [], 'nobody has published anything')
})

/** A publish by somebody who writes it by hand. */
async function publishByHand(name: string, version: string, attachment: string, tarball = attachment): Promise<number> {
  const path = join(mirror.folder, 'by-hand.json')
  const about = { name: `@site/${name}`, version, dist: { tarball: `${url}/npm/@site/${name}/-/${tarball}` } }
  writeFileSync(path, JSON.stringify({ _id: about.name, name: about.name, 'dist-tags': { latest: version }, versions: { [version]: about }, _attachments: { [attachment]: { content_type: 'application/octet-stream', data: Buffer.from('bytes').toString('base64'), length: 5 } } }))
  return (await curl('--request', 'PUT', '--header', 'Content-Type: application/json', '--header', 'Authorization: Bearer token-of-ana', '--data', `@${path}`, `${url}/npm/@site%2f${name}`)).status
}

await t.test('a tarball comes in only under the name that its version has: any other one is served, and could not be taken away by its version', async t => {
  const published = publishedIn(join(mirror.folder, 'data'))
  const before = await published.files()
  for (const [version, attachment, tarball] of [['1.0.0', 'evil.tgz'], ['1.0.0', 'odd-1.0.0.zip'], ['1.0.0', 'Odd-9.9.9.tgz', 'odd-1.0.0.tgz'], ['1.0.0', 'odd-1.0.0.tgz', 'odd-2.0.0.tgz'], ['1@2', 'odd-1@2.tgz'], ['1.0.0', '../../odd-1.0.0.tgz/x'], ['1.0.0', 'package.json']] as const) {
    t.equal(await publishByHand('odd', version, attachment, tarball), 400, attachment)
  }
  writeFileSync(join(mirror.folder, 'alone.tgz'), 'bytes')
  const alone = (path: string) => curl('--request', 'PUT', '--header', 'Content-Type: application/octet-stream', '--header', 'Authorization: Bearer token-of-ana', '--data-binary', `@${join(mirror.folder, 'alone.tgz')}`, `${url}/npm/${path}`)
  for (const path of ['@site%2ftool/-/alone.tgz/x', '%40site%2ftool/-/alone.tgz/x', '@site/tool/-/alone.tgz/x']) t.equal((await alone(path)).status, 400, path)
  t.same(await published.files(), before)
  t.equal(await publishByHand('odd', '1.0.0', 'odd-1.0.0.tgz'), 201)
  t.equal((await npmIn('publisher', 'token-of-ana', {})('deprecate', '@site/tool@1.0.0', 'old')).code, 0, 'what sends no tarball goes on as before')
})

await t.test('every file of a package is met, whatever it is called; npm takes it away by the version that fetches it', async t => {
  const published = publishedIn(join(mirror.folder, 'data'))
  const folder = join(mirror.folder, 'data/site/npm/@site/odd')
  writeFileSync(join(folder, 'evil.tgz'), 'from before this was refused')
  writeFileSync(join(folder, 'odd2-1.0.0.zip'), 'likewise')
  mkdirSync(join(folder, 'no-file'))
  t.same((await published.files()).filter(({ name }) => name === '@site/odd').map(({ file, version }) => [file, version]), [['evil.tgz', null], ['odd-1.0.0.tgz', '1.0.0'], ['odd2-1.0.0.zip', null]])
  writeFileSync(join(folder, 'package.json'), '{"versions":{"1.0.0":null}}')
  t.same((await published.files()).filter(({ name }) => name === '@site/odd').map(({ version }) => version), [null, null, null], 'a packument that is none names nothing')
})

await t.test('the packument names this appliance, whatever the client claims', async t => {
  const answer = await curl('--header', 'X-Forwarded-Host: evil.invalid', '--header', 'Host: evil.invalid', '--header', 'X-Forwarded-Proto: http', `${url}/npm/@site%2ftool`)
  const packument = JSON.parse(answer.body.toString()) as { versions: Record<string, { dist: { tarball: string } }> }
  t.equal(packument.versions['1.0.0']!.dist.tarball, `${url}/npm/@site/tool/-/tool-1.0.0.tgz`)
})

await t.test('without a right, and outside @site, nothing is published', async t => {
  t.equal((await npmIn('viewer', 'token-of-vic', source('2.0.0'))('publish')).code, 1)
  t.equal((await npmIn('nobody', undefined, source('2.0.0'))('publish')).code, 1)
  t.equal((await npmIn('stranger', 'token-of-eve', source('2.0.0'))('publish')).code, 1)
  t.equal((await npmIn('outside', 'token-of-ana', { 'package.json': JSON.stringify({ name: 'left-trim', version: '9.0.0' }) })('publish')).code, 1)
  t.same(Object.keys((JSON.parse((await curl(`${url}/npm/@site%2ftool`)).body.toString()) as { versions: object }).versions), ['1.0.0'])
  t.equal((await curl(`${url}/npm/left-trim`)).body.toString().includes('9.0.0'), false)
})

await t.test('a login gives a token of the appliance, and only for the right password', async t => {
  const login = (name: string, password: string) => curl('--request', 'PUT', '--header', 'Content-Type: application/json', '--data', JSON.stringify({ name, password }), `${url}/npm/-/user/org.couchdb.user:${name}`)
  const good = await login('ana', 'pass word')
  t.same([good.status, (JSON.parse(good.body.toString()) as { token: string }).token], [201, 'token-of-ana'])
  t.equal((await login('ana', 'wrong')).status, 401)
  t.equal((await login('newcomer', 'x')).status, 401, 'nobody makes an account')
})

await t.test('a change stands in the audit log before it happens, a logout ends the token', async t => {
  t.ok(recorded.some(({ user, action, subject, outcome }) => user === 'ana' && action === 'PUT /npm' && subject === 'npm:@site/tool' && outcome === 'allowed'))
  t.ok(recorded.some(({ user, outcome }) => user === 'vic' && outcome === 'refused'))
  const logout = await curl('--request', 'DELETE', `${url}/npm/-/user/token/token-of-vic`)
  t.same([logout.status, ended], [200, ['token-of-vic']])
})

await t.test('a plugin that does not load stops the start', async t => {
  const plugins = t.testdir({ 'verdaccio-drydock': { 'package.json': '{"main":"./index.js"}', 'index.js': 'throw new TypeError("broken")' } })
  for (const folder of [plugins, t.testdirName]) {
    await t.rejects(startPrivateRegistry({ dataDir: join(mirror.folder, 'other'), publicUrl: url, authentication, plugins: folder }), { code: 'DD-MIRROR-006' })
  }
})
