import t from 'tap'
import { mkdirSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { checkShape } from '../../../bundles/format/check.ts'
import { routeTable } from '../../../appliance/api/build.ts'
import { openTestAppliance, PASSWORD } from './appliance.ts'
import { ask } from './ask.ts'

const folder = t.testdir()
let auditBroken = false
const appliance = await openTestAppliance(folder, { breakAudit: () => auditBroken })
t.teardown(() => appliance.close())
t.setTimeout(280_000)
const admin = await appliance.tokenOf('admin')
const operator = await appliance.tokenOf('operator')

await t.test('every answer has the shape that the document promises', async t => {
  const addresses: Record<string, string> = { ':name': 'lin-1', ':hex': 'a'.repeat(64), ':id': '7', ':fingerprint': 'A'.repeat(40) }
  for (const row of routeTable(appliance.services)) {
    if (row.method !== 'GET' || row.answer === undefined || row.contentType !== undefined || row.path === '/operations/:id') continue
    const path = row.path.replace('/pools/:name', '/pools/linux-perf-ci').replaceAll(/:\w+/g, name => addresses[name] ?? 'x')
    const answer = await ask(appliance, 'GET', `/api/v1${path}${path === '/nodes/diff' ? '?a=lin-1&b=lin-2' : ''}`, { token: admin })
    t.equal(answer.status, 200, path)
    t.doesNotThrow(() => checkShape(row.answer!, answer.json(), path), path)
  }
})

await t.test('a session begins with the right password, is a strict cookie, and ends on the server', async t => {
  const wrong = await ask(appliance, 'POST', '/api/v1/session', { body: { user: 'viewer', password: 'not this one' } })
  t.equal(wrong.status, 401)
  t.equal(wrong.json()['code'], 'DD-IDENT-001')
  const right = await ask(appliance, 'POST', '/api/v1/session', { body: { user: 'viewer', password: PASSWORD } })
  t.equal(right.status, 200)
  t.match(right.json(), { user: 'viewer', role: 'viewer', mustChangePassword: false, site: 'site-a' })
  const setCookie = String(right.headers['set-cookie'])
  for (const attribute of ['HttpOnly', 'Secure', 'SameSite=Strict', 'Path=/']) t.match(setCookie, attribute)
  const cookie = setCookie.split(';')[0]!
  t.equal((await ask(appliance, 'GET', '/api/v1/session', { headers: { cookie } })).status, 200)
  t.equal((await ask(appliance, 'DELETE', '/api/v1/session', { headers: { cookie, 'sec-fetch-site': 'same-origin' } })).status, 204)
  t.equal((await ask(appliance, 'GET', '/api/v1/session', { headers: { cookie } })).status, 401, 'a replayed cookie is refused')
})

await t.test('a cookie changes nothing from another page', async t => {
  const { credential } = await appliance.identity.signIn('operator', PASSWORD, 'test')
  const cookie = `drydock=${credential}`
  const change = (headers: Record<string, string>) => ask(appliance, 'POST', '/api/v1/pools/linux-perf-ci/resume', { headers: { cookie, ...headers } })
  t.equal((await change({})).json()['code'], 'DD-IDENT-012', 'no word about where it comes from')
  t.equal((await change({ 'sec-fetch-site': 'cross-site' })).json()['code'], 'DD-IDENT-012')
  t.equal((await change({ 'sec-fetch-site': 'same-site', origin: appliance.url })).json()['code'], 'DD-IDENT-012')
  t.equal((await change({ origin: 'https://evil.example' })).json()['code'], 'DD-IDENT-012')
  t.equal((await change({ origin: 'null' })).json()['code'], 'DD-IDENT-012')
  t.equal((await change({ origin: appliance.url })).status, 200)
  t.equal((await change({ 'sec-fetch-site': 'same-origin' })).status, 200)
})

await t.test('a one-time password opens only the door to changing it', async t => {
  const { credential } = await appliance.identity.signIn('fresh', PASSWORD, 'test')
  t.equal((await ask(appliance, 'GET', '/api/v1/session', { token: credential })).json()['mustChangePassword'], true)
  t.equal((await ask(appliance, 'GET', '/api/v1/pools', { token: credential })).json()['code'], 'DD-IDENT-005')
  t.equal((await ask(appliance, 'POST', '/api/v1/tokens', { token: credential, body: { label: 'x' } })).json()['code'], 'DD-IDENT-005')
  t.equal((await ask(appliance, 'POST', '/api/v1/session/password', { token: credential, body: { old: PASSWORD, new: 'short' } })).json()['code'], 'DD-IDENT-006')
  t.equal((await ask(appliance, 'POST', '/api/v1/session/password', { token: credential, body: { old: PASSWORD, new: 'another four words' } })).status, 204)
  t.equal((await ask(appliance, 'GET', '/api/v1/pools', { token: credential })).status, 200)
})

await t.test('unknown fields, wrong types and broken bodies are refused in our own words', async t => {
  const bad = await ask(appliance, 'POST', '/api/v1/pools/linux-perf-ci/pause', { token: operator, body: { reason: 'x', because: 'y' } })
  t.equal(bad.status, 400)
  t.match(bad.json(), { code: 'DD-CORE-009', message: /only known fields in request body, found "because"/, hint: /reason/ })
  t.equal((await ask(appliance, 'POST', '/api/v1/pools/linux-perf-ci/pause', { token: operator, body: { reason: 7 } })).status, 400, 'numbers are not made into text')
  t.equal((await ask(appliance, 'GET', '/api/v1/events?limit=lots', { token: operator })).status, 400)
  t.equal((await ask(appliance, 'GET', '/api/v1/events?limit=5', { token: operator })).status, 200)
  t.equal((await ask(appliance, 'GET', '/api/v1/nodes?pol=x', { token: operator })).status, 400)
  t.match((await ask(appliance, 'POST', '/api/v1/pools', { token: operator, headers: { 'content-type': 'application/json' }, bytes: Buffer.from('{"a":') })).json(), { code: 'DD-CLI-011' })
  t.match((await ask(appliance, 'POST', '/api/v1/pools', { token: operator, headers: { 'content-type': 'text/plain' }, bytes: Buffer.from('x') })).json(), { code: 'DD-CLI-011' })
  t.match((await ask(appliance, 'GET', '/api/v1/nothing', { token: operator })).json(), { code: 'DD-CLI-010' })
  t.match((await ask(appliance, 'GET', '/api/v1/pools/../../etc/passwd', { token: operator })).status, 404)
})

await t.test('the record comes before the effect: when it cannot be written, nothing happens', async t => {
  const before = appliance.services.audit.list({ limit: 1000 }).length
  t.equal((await ask(appliance, 'POST', '/api/v1/pools/linux-perf-ci/pause', { token: operator, body: { reason: 'release day' } })).status, 200)
  const [record] = appliance.services.audit.list({ after: before, limit: 1 })
  t.match(record, { actor: 'operator', action: 'POST /api/v1/pools/:name/pause', subject: 'pool:linux-perf-ci', outcome: 'allowed', fields: { reason: 'release day' } })
  auditBroken = true
  const refused = await ask(appliance, 'POST', '/api/v1/pools/linux-perf-ci/resume', { token: operator })
  const upload = await ask(appliance, 'POST', '/api/v1/imports', { token: operator, bytes: Buffer.from('bundle') })
  const signIn = await ask(appliance, 'POST', '/api/v1/session', { body: { user: 'viewer', password: PASSWORD } })
  auditBroken = false
  for (const answer of [refused, upload, signIn]) t.match({ status: answer.status, code: answer.json()['code'] }, { status: 503, code: 'DD-STATE-010' })
  t.not(appliance.pools.get('linux-perf-ci')?.paused, null, 'it is still paused')
  t.same(appliance.uploads, [])
  t.equal(signIn.headers['set-cookie'], undefined)
})

await t.test('an effect that fails is recorded as failed, with its code and no secret', async t => {
  const before = appliance.services.audit.list({ limit: 1000 }).length
  t.equal((await ask(appliance, 'DELETE', '/api/v1/users/nobody', { token: admin })).status, 404)
  t.match(appliance.services.audit.list({ after: before, limit: 10 }).map(({ outcome, fields }) => ({ outcome, fields })), [{ outcome: 'allowed' }, { outcome: 'failed', fields: { code: 'DD-IDENT-008' } }])
  t.notMatch(JSON.stringify(appliance.services.audit.list({ limit: 1000 })), PASSWORD)
})

await t.test('the same Idempotency-Key is the same operation, for the same person only', async t => {
  const apply = async (token: string, key: string) => (await ask(appliance, 'POST', '/api/v1/pools/linux-perf-ci/rollback', { token, body: {}, headers: { 'idempotency-key': key } })).json()['id']
  const first = await apply(operator, 'key-1')
  t.equal(await apply(operator, 'key-1'), first)
  t.not(await apply(operator, 'key-2'), first)
  t.not(await apply(admin, 'key-1'), first)
  t.equal((await ask(appliance, 'POST', '/api/v1/pools/linux-perf-ci/rollback', { token: operator, body: {}, headers: { 'idempotency-key': 'a b' } })).status, 400)
})

await t.test('a bundle streams in as bytes, larger than any JSON may be', async t => {
  const bytes = Buffer.alloc(3 * 1024 * 1024, 7)
  const answer = await ask(appliance, 'POST', '/api/v1/imports', { token: operator, bytes, headers: { 'x-file-name': encodeURIComponent('../../sté/a.drydock') } })
  t.equal(answer.status, 202)
  t.ok(appliance.uploads.at(-1)?.equals(bytes))
  t.equal(appliance.imports.get('8')?.source, 'a.drydock')
})

await t.test('events are replayed, go on live, and one who reads along is told their number', async t => {
  const { services } = appliance
  for (let i = 0; i < 3; i++) services.events.subscribe({}, () => undefined)()
  const emit = (type: string) => (services.events as typeof services.events & { emit(event: object): { seq: number } }).emit({ type, subject: 'pool:p', fields: {} })
  const first = emit('spec.update').seq
  emit('create.node')
  const seen: { id: number; type: string }[] = []
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const request = httpsRequest(`${appliance.url}/api/v1/events/stream?after=${first}`, { ca: appliance.pki.caPem, agent: false, headers: { authorization: `Bearer ${operator}` } }, response => {
    t.match(response.headers, { 'content-type': 'text/event-stream', 'content-security-policy': /default-src 'self'/ })
    let text = ''
    response.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      for (const block of text.split('\n\n').slice(0, -1)) {
        const id = Number(/^id: (\d+)$/m.exec(block)?.[1] ?? 0)
        if (id > 0 && !seen.some(one => one.id === id)) seen.push({ id, type: (JSON.parse(/^data: (.*)$/m.exec(block)![1]!) as { type: string }).type })
      }
      if (seen.length === 1) emit('pool.healthy')
      if (seen.length === 2) resolve()
    })
    response.on('error', () => undefined)
  })
  request.on('error', reject)
  request.end()
  await promise
  request.destroy()
  t.same(seen, [{ id: first + 1, type: 'create.node' }, { id: first + 2, type: 'pool.healthy' }])
  const newest = (await ask(appliance, 'GET', '/api/v1/events?limit=1', { token: operator })).json() as unknown as { type: string }[]
  t.same(newest.map(event => event.type), ['pool.healthy'], 'without `after` the newest are answered')
})

await t.test('a long history is replayed whole to one who reads, and one who does not read is cut off', async t => {
  const { events } = appliance.services
  const emit = () => (events as typeof events & { emit(event: object): void }).emit({ type: 'create.node', subject: 'pool:p', fields: { text: 'x'.repeat(4000) } })
  const first = events.last()
  for (let i = 0; i < 1200; i++) emit()
  const open = (listen: (line: string, response: IncomingMessage) => void) => {
    const request = httpsRequest(`${appliance.url}/api/v1/events/stream?after=${first}`, { ca: appliance.pki.caPem, agent: false, headers: { authorization: `Bearer ${operator}` } }, response => {
      // Both ends are torn down on purpose.
      createInterface({ input: response.on('error', () => undefined) }).on('line', line => listen(line, response)).on('error', () => undefined)
    })
    request.on('error', () => undefined)
    request.end()
    return request
  }
  const reading = Promise.withResolvers<void>()
  let count = 0
  const reader = open(line => {
    if (line.startsWith('data: ') && ++count === 1200) reading.resolve()
  })
  await reading.promise
  reader.destroy()

  const cutOff = Promise.withResolvers<void>()
  const { subscribe } = events
  events.subscribe = (filter, listener) => {
    const stop = subscribe(filter, listener)
    return () => {
      stop()
      cutOff.resolve()
    }
  }
  const sleeper = open((line, response) => {
    // Up to date, and from now on asleep, while more happens than the sockets hold.
    if (line.startsWith(`id: ${first + 1200}`)) response.pause().socket.pause()
  })
  const busy = setInterval(() => {
    for (let i = 0; i < 200; i++) emit()
  }, 20)
  await cutOff.promise
  clearInterval(busy)
  sleeper.destroy()
  events.subscribe = subscribe
  t.pass('the server ended it')
})

await t.test('what needs no sign-in tells no secret and is not cached by mistake', async t => {
  t.equal((await ask(appliance, 'GET', '/healthz')).text, 'ok\n')
  t.equal((await ask(appliance, 'GET', '/readyz')).status, 200)
  t.equal((await ask(appliance, 'GET', '/ca.pem')).text, appliance.pki.caPem)
  t.match((await ask(appliance, 'GET', '/metrics')).text, /drydock_pool_nodes\{pool="linux-perf-ci",kind="size"\} 2/)
  const api = await ask(appliance, 'GET', '/api/v1/pools', { token: operator })
  t.match(api.headers, { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', 'content-security-policy': /frame-ancestors 'none'/ })
})

await t.test('the console is served from disk, its pages by one file, and nothing beside it', async t => {
  t.equal((await ask(appliance, 'GET', '/pools/x')).status, 503, 'not built yet: a page that says so')
  mkdirSync(join(folder, 'dist/assets'), { recursive: true })
  writeFileSync(join(folder, 'dist/index.html'), '<!doctype html><title>Drydock</title>')
  writeFileSync(join(folder, 'dist/assets/app-1.js'), 'console.log(1)'.repeat(100))
  const page = await ask(appliance, 'GET', '/pools/linux-perf-ci')
  t.match(page.text, '<title>Drydock')
  t.match(page.headers, { 'cache-control': 'no-cache', 'content-security-policy': /default-src 'self'/, 'content-type': /text\/html/ })
  const script = await ask(appliance, 'GET', '/assets/app-1.js', { headers: { 'accept-encoding': 'gzip' } })
  t.match(script.headers, { 'cache-control': /immutable/, 'content-encoding': 'gzip', 'content-type': /javascript/ })
  t.equal((await ask(appliance, 'GET', '/assets/app-1.js', { headers: { 'if-none-match': String(script.headers['etag']) } })).status, 304)
  t.equal((await ask(appliance, 'GET', '/assets/missing.js')).status, 404)
  for (const path of ['/../desired.json', '/%2e%2e/desired.json', '/assets/..%2f..%2fdesired.json', '/npm/x', '/v2/x']) t.notMatch((await ask(appliance, 'GET', path)).text, 'admin', path)
})

await t.test('the audit log can be taken out, and that is in it', async t => {
  const answer = await ask(appliance, 'GET', '/api/v1/audit/export', { token: admin })
  t.match(answer.headers['content-type'], 'application/x-ndjson')
  const lines = answer.text.trim().split('\n').map(line => JSON.parse(line) as { record?: { action: string } })
  t.equal(lines.findLast(line => line.record !== undefined)?.record?.action, 'GET /api/v1/audit/export')
})

await t.test('the address of a CI server is a plain one', async t => {
  const token = await appliance.tokenOf('admin')
  const add = async (url: string) => (await ask(appliance, 'POST', '/api/v1/ci', { token, body: { name: 'jenkins', kind: 'sim', url } })).status
  for (const url of ['http://ci.example', 'https://ci.example:65535/jenkins/', 'http://[::1]:9000', 'http://127.0.0.1:1']) t.equal(await add(url), 204, url)
  for (const url of ['nonsense', 'http://a,fork:1', 'http://a!!b:1', 'http://a"b', 'http://me:secret@ci.example', 'file:///etc/passwd', 'http://ci.example:70000', 'http://ci.example/\n']) t.equal(await add(url), 400, url)
})
