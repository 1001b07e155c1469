import t from 'tap'
import { randomBytes } from 'node:crypto'
import { digestOf } from '../../../appliance/core/digest.ts'
import { file } from '../support/content.ts'
import { startMirror } from '../support/server.ts'

const mirror = await startMirror()
t.teardown(() => mirror.close())
const { curl, url } = mirror
/** Larger than what is kept in memory, so it streams from the disk. */
const large = randomBytes(5 * 1024 * 1024)
await mirror.promote('one', [await file(mirror, 'sdk/toolchain.bin', large), await file(mirror, 'sdk/read me.txt', 'hello\n'), await file(mirror, 'top.txt', 'top\n')])
await mirror.promote('two', [await file(mirror, 'sdk/later/new.txt', 'new\n'), await file(mirror, 'top.txt', 'top, changed\n')])

await t.test('curl gets a large file whole, in ranges, and resumes', async t => {
  const whole = await curl(`${url}/files/sdk/toolchain.bin`)
  t.equal(whole.status, 200)
  t.ok(whole.body.equals(large))
  t.equal(whole.headers.get('content-length'), String(large.length))
  t.equal(whole.headers.get('etag'), `"sha256-${digestOf(large).slice(7)}"`)
  t.equal(whole.headers.get('content-type'), 'application/octet-stream')
  t.equal(whole.headers.get('content-security-policy'), 'sandbox', 'no browser runs what lies here')
  for (const [range, from, to] of [['100-199', 100, 200], [`${large.length - 10}-`, large.length - 10, large.length], ['-7', large.length - 7, large.length], [`5-${large.length * 2}`, 5, large.length]] as const) {
    const part = await curl('--range', range, `${url}/files/sdk/toolchain.bin`)
    t.equal(part.status, 206, range)
    t.equal(part.headers.get('content-range'), `bytes ${from}-${to - 1}/${large.length}`)
    t.ok(part.body.equals(large.subarray(from, to)))
  }
  const beyond = await curl('--range', `${large.length}-`, `${url}/files/sdk/toolchain.bin`)
  t.same([beyond.status, beyond.headers.get('content-range')], [416, `bytes */${large.length}`])
})

await t.test('small files take ranges too, and a range of something that changed sends the whole', async t => {
  t.equal((await curl('--range', '1-3', `${url}/files/sdk/read%20me.txt`)).body.toString(), 'ell')
  const changed = await curl('--range', '1-3', '--header', 'If-Range: "sha256-other"', `${url}/files/sdk/read%20me.txt`)
  t.same([changed.status, changed.body.toString()], [200, 'hello\n'])
})

await t.test('HEAD and conditional requests send no body', async t => {
  const head = await curl('--head', `${url}/files/sdk/toolchain.bin`)
  t.same([head.status, head.headers.get('content-length'), head.body.length], [200, String(large.length), 0])
  const same = await curl('--header', `If-None-Match: W/"x", ${head.headers.get('etag')}`, `${url}/files/sdk/toolchain.bin`)
  t.same([same.status, same.body.length], [304, 0])
})

await t.test('folders list what is in them, as a page and as JSON', async t => {
  const json = JSON.parse((await curl('--header', 'Accept: application/json', `${url}/files/sdk/`)).body.toString()) as { entries: { name: string; type: string }[] }
  t.same(json.entries.map(entry => `${entry.type} ${entry.name}`), ['folder later', 'file read me.txt', 'file toolchain.bin'])
  const page = await curl(`${url}/files/`)
  t.match(page.headers.get('content-type'), /^text\/html/)
  t.match(page.body.toString(), /<a href="\.\/sdk\/">sdk\/<\/a>/)
  t.equal((await curl(`${url}/files`)).status, 200)
})

await t.test('an older generation serves the file as it was', async t => {
  t.equal((await curl(`${url}/files/top.txt`)).body.toString(), 'top, changed\n')
  t.equal((await curl(`${url}/g/1/files/top.txt`)).body.toString(), 'top\n')
  t.equal((await curl(`${url}/g/2/files/top.txt`)).body.toString(), 'top, changed\n')
  t.equal((await curl(`${url}/g/1/files/sdk/later/new.txt`)).status, 404)
  t.equal((await curl(`${url}/g/3/files/top.txt`)).status, 404)
  t.equal((await curl(`${url}/g/-1/files/top.txt`)).status, 400)
  t.equal((await curl(`${url}/g/0/files/top.txt`)).status, 404)
})

await t.test('no path leads out of the catalogue', async t => {
  const tries = ['../../etc/passwd', '..%2f..%2f..%2fetc%2fpasswd', '%2e%2e/%2e%2e/etc/passwd', '..%5c..%5cetc%5cpasswd', '/etc/passwd', 'sdk/../top.txt', 'sdk//toolchain.bin', './top.txt', 'top.txt%00', 'top.txt%1fjson', '%c0%ae%c0%ae/etc/passwd', 'sdk/%1fjson', 'a'.repeat(5000)]
  for (const path of tries) {
    const answer = await curl(`${url}/files/${path}`)
    t.ok([400, 404, 414].includes(answer.status), `${path.slice(0, 40)} → ${answer.status}`)
    t.notMatch(answer.body.toString(), /root:/)
  }
})

await t.test('writing is not possible', async t => {
  const put = await curl('--request', 'PUT', '--data', 'x', `${url}/files/top.txt`)
  t.same([put.status, put.headers.get('allow')], [405, 'GET, HEAD'])
  t.equal((await curl('--request', 'DELETE', `${url}/files/top.txt`)).status, 405)
})

await t.test('what must not be imported is refused by name', async t => {
  for (const path of ['../up', 'a/../../b', '/absolute', 'a//b', 'a/./b', 'site/mine', 'a\\b', 'new\nline']) {
    await t.rejects(mirror.promote(`bad ${path}`, [{ ...(await file(mirror, 'x', 'x')), name: 'named', metadata: { path } }]), { code: 'DD-MIRROR-004', message: /file:named@/ }, JSON.stringify(path))
  }
})

await t.test('an index that rotted on the disk is not served', async t => {
  await mirror.promote('three', [await file(mirror, 'rot/a.txt', 'a')])
  const entry = mirror.store.catalogue.lookup(3, 'file', 'rot/')
  await mirror.alter(entry!.digest)
  t.equal((await curl(`${url}/files/rot/`)).status, 500)
})
