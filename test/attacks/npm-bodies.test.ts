import t from 'tap'
import { gzipSync } from 'node:zlib'
import { join } from 'node:path'
import { writeFileSync } from 'node:fs'
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
const large = join(mirror.folder, 'large.json')
writeFileSync(large, '['.repeat(2_000_000))
const bomb = join(mirror.folder, 'bomb.json.gz')
writeFileSync(bomb, gzipSync('['.repeat(10_000_000)))
const JSON_TYPE = ['--header', 'Content-Type: application/json']
const EXPECT_NOTHING = ['--header', 'Expect:']

await t.test('a stranger\'s body is refused before it is read', async t => {
  const send = async (...args: string[]) => (await curl(...JSON_TYPE, ...EXPECT_NOTHING, ...args)).status
  t.equal(await send('--request', 'PUT', '--data-binary', `@${large}`, `${url}/npm/@site%2fx`), 401)
  t.equal(await send('--request', 'PUT', '--data-binary', `@${large}`, `${url}/npm/-/user/org.couchdb.user:x`), 413)
  t.equal(await send('--request', 'PUT', '--header', 'Content-Encoding: gzip', '--data-binary', `@${bomb}`, `${url}/npm/-/user/org.couchdb.user:x`), 415)
  t.equal(await send('--request', 'PUT', '--header', 'Transfer-Encoding: chunked', '--data-binary', `@${large}`, `${url}/npm/-/user/org.couchdb.user:x`), 413)
  t.equal(await send('--request', 'GET', '--data-binary', `@${large}`, `${url}/npm/@site%2fx`), 413)
  t.equal(await send('--request', 'POST', '--data-binary', `@${large}`, `${url}/npm/-/npm/v1/tokens`), 401)
})

await t.test('what cannot be audited is not published', async t => {
  broken = true
  const put = await curl(...JSON_TYPE, '--request', 'PUT', '--header', 'Authorization: Bearer good', '--data', '{}', `${url}/npm/@site%2fx`)
  t.equal(put.status, 500)
  t.equal((await curl(`${url}/npm/@site%2fx`)).status, 404)
})
