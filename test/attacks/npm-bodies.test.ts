import t from 'tap'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import type { IncomingMessage } from 'node:http'
import type { NpmAuthentication } from '../../mirror/npm/authentication.ts'
import { startMirror } from '../mirror/support/server.ts'

/** verdaccio reads, unpacks and parses a body before it asks who sent it: up to 256 MiB of JSON from a stranger. */
let broken = false
const authentication: NpmAuthentication = {
  authenticate: async credentials => ('token' in credentials && credentials.token === 'good' ? { name: 'ana', groups: ['operator'] } : null),
  login: async () => null,
  logout: async () => undefined,
  record() {
    if (broken) throw new TypeError('the audit log is full')
  },
}
const mirror = await startMirror({ authentication })
t.teardown(() => mirror.close())
const { curl, url } = mirror
const LARGE = '200000000'

/** Only the head is sent: who answers has not read, and does not wait for, a byte of the body. */
async function announce(method: string, path: string, headers: Record<string, string>): Promise<number | undefined> {
  const call = request(`${url}${path}`, { method, ca: readFileSync(mirror.caFile), agent: false, headers: { 'content-type': 'application/json', ...headers } })
  call.on('error', () => undefined)
  call.flushHeaders()
  const [answer] = (await once(call, 'response')) as [IncomingMessage]
  call.destroy()
  return answer.statusCode
}

await t.test('a stranger\'s body is refused before it is read', async t => {
  const login = '/npm/-/user/org.couchdb.user:x'
  t.equal(await announce('PUT', '/npm/@site%2fx', { 'content-length': LARGE }), 401)
  t.equal(await announce('PUT', '/npm/@site%2fx', { 'content-length': LARGE, authorization: 'Bearer bad' }), 401)
  t.equal(await announce('POST', '/npm/-/npm/v1/tokens', { 'content-length': LARGE }), 401)
  t.equal(await announce('PUT', login, { 'content-length': LARGE }), 413)
  t.equal(await announce('PUT', login, { 'transfer-encoding': 'chunked' }), 413)
  t.equal(await announce('PUT', login, { 'content-length': '100', 'content-encoding': 'gzip' }), 415)
  t.equal(await announce('GET', '/npm/@site%2fx', { 'content-length': LARGE }), 413)
})

await t.test('what cannot be audited is not published', async t => {
  broken = true
  const put = await curl('--request', 'PUT', '--header', 'Content-Type: application/json', '--header', 'Authorization: Bearer good', '--data', '{}', `${url}/npm/@site%2fx`)
  t.equal(put.status, 500)
  t.equal((await curl(`${url}/npm/@site%2fx`)).status, 404)
})
