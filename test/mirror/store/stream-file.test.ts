import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, readdirSync, readlinkSync, truncateSync } from 'node:fs'
import { open as openFile } from 'node:fs/promises'
import { request as httpsRequest } from 'node:https'
import type { IncomingMessage } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { connect } from 'node:tls'
import fastify from 'fastify'
import t from 'tap'
import { hexOf, parseDigest, type Digest } from '../../../appliance/core/digest.ts'
import { openBlobStore } from '../../../mirror/store/blobs.ts'
import { senderOf } from '../../../mirror/store/serve.ts'
import { streamFile } from '../../../mirror/store/stream-file.ts'
import { makeTls } from '../support/tls.ts'

const MIB = 1024 * 1024
const folder = t.testdir()
const blobs = await openBlobStore(folder)
const tls = await makeTls(folder)
const app = fastify({ https: { key: tls.key, cert: tls.cert } })
const send = senderOf(blobs)
app.get('/:hex', (request, reply) => send(request, reply, { digest: parseDigest(`sha256:${(request.params as { hex: string }).hex}`), mediaType: 'application/octet-stream', immutable: true, ours: false }, undefined))
await app.listen({ port: 0, host: '127.0.0.1' })
const { port } = app.server.address() as { port: number }
t.teardown(() => app.close())

async function get(digest: Digest, headers: Record<string, string> = {}): Promise<IncomingMessage> {
  const asked = httpsRequest({ host: '127.0.0.1', port, path: `/${hexOf(digest)}`, headers, rejectUnauthorized: false, agent: false }).end()
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  return answer
}

/** @param slow milliseconds of rest after each piece that came */
async function hashOf(answer: IncomingMessage, slow = 0): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of answer) {
    hash.update(piece as Buffer)
    if (slow > 0) await pause(slow)
  }
  return hash.digest('hex')
}

/** Open files of this process that lie in the store. */
function open(): string[] {
  return readdirSync('/proc/self/fd').flatMap(fd => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`)
      return path.startsWith(`${folder}/`) ? [path] : []
    } catch {
      return []
    }
  })
}

async function closed(): Promise<boolean> {
  for (let waited = 0; waited < 5000 && open().length > 0; waited += 20) await pause(20)
  return open().length === 0
}

await t.test('many large bodies at once, to fast and slow clients, are each the right bytes', async t => {
  const contents = Array.from({ length: 24 }, (_none, k) => randomBytes(3 * MIB + k * 1777))
  const digests = await Promise.all(contents.map(async content => await blobs.put(content)))
  for (let round = 0; round < 2; round++) {
    const got = await Promise.all(digests.map(async (digest, k) => await hashOf(await get(digest), k % 3 === 0 ? 2 : 0)))
    t.same(got, digests.map(hexOf))
  }
  t.ok(await closed())
})

await t.test('a range of a large body is its bytes and no more', async t => {
  const content = randomBytes(5 * MIB)
  const digest = await blobs.put(content)
  for (const [start, end] of [[0, 0], [MIB - 1, 3 * MIB], [5 * MIB - 1, 5 * MIB - 1], [0, 5 * MIB - 1]] as const) {
    const answer = await get(digest, { range: `bytes=${start}-${end}` })
    t.equal(answer.statusCode, 206)
    t.equal(answer.headers['content-range'], `bytes ${start}-${end}/${5 * MIB}`)
    t.equal(await hashOf(answer), createHash('sha256').update(content.subarray(start, end + 1)).digest('hex'))
  }
})

await t.test('a client that goes in the middle leaves no open file behind, and others get the right bytes', async t => {
  const digest = await blobs.put(randomBytes(40 * MIB))
  for (let k = 0; k < 20; k++) {
    const answer = await get(digest)
    answer.once('data', () => answer.destroy())
    answer.on('error', () => undefined)
    await once(answer, 'close')
  }
  t.ok(await closed())
  t.equal(await hashOf(await get(digest)), hexOf(digest))
})

await t.test('a file that ends early on the disk ends the answer before its Content-Length', async t => {
  const digest = await blobs.put(randomBytes(8 * MIB))
  const answer = await get(digest)
  t.equal(open().length, 1)
  chmodSync(blobs.blobPath(digest), 0o640)
  truncateSync(blobs.blobPath(digest), MIB)
  await t.rejects(hashOf(answer, 1), { code: 'ECONNRESET' })
  t.ok(await closed())
})

await t.test('a disk that fails at the first byte is told before an answer has begun', async t => {
  // What can be opened and not be read, as a bad sector cannot: read(2) of a folder fails with EISDIR.
  const handle = await openFile(folder)
  await t.rejects(streamFile(handle, { start: 0, end: 3 * MIB }, () => {
    throw new Error('it was begun')
  }), { code: 'EISDIR' })
  await handle.close()
})

await t.test('who asks for thousands of large bodies at once and reads none gets no more than a few open files', async t => {
  const digest = await blobs.put(randomBytes(8 * MIB))
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  let most = 0
  const looking = setInterval(() => (most = Math.max(most, open().length)), 1)
  socket.on('error', () => undefined)
  socket.write(`GET /${hexOf(digest)} HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(4000))
  await new Promise(done => socket.once('close', done))
  clearInterval(looking)
  t.ok(most > 0)
  t.ok(most <= 32, String(most))
  t.ok(await closed())
  t.equal(await hashOf(await get(digest)), hexOf(digest))
})
