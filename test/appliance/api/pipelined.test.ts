import { execFileSync } from 'node:child_process'
import { createReadStream, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { connect } from 'node:tls'
import t from 'tap'
import { takePipelinedRequests } from '../../../appliance/api/pipelined.ts'

/** The machine may be busy with other tests. */
t.setTimeout(120_000)

const [SMALL, LARGE, DEPTH, REQUESTS] = [5000, 3_000_000, 10, 60]

/** One connection as apt has it: ten requests are under way at any time. @returns the statuses that were not 200 */
async function session(port: number, seed: number): Promise<string[]> {
  const socket = connect({ port, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const bad: string[] = []
  let [sent, done, body] = [0, 0, -1]
  let buffered: Buffer = Buffer.alloc(0)
  const send = (): void => {
    let text = ''
    for (; sent < REQUESTS && sent - done < DEPTH; sent++) text += `GET /${(sent * 7 + seed) % 5 === 0 ? LARGE : SMALL} HTTP/1.1\r\nHost: x\r\n\r\n`
    if (text !== '') socket.write(text)
  }
  send()
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    buffered = body > chunk.length ? Buffer.alloc(0) : body >= 0 ? chunk.subarray(body) : Buffer.concat([buffered, chunk])
    if (body > chunk.length) {
      body -= chunk.length
      continue
    }
    if (body >= 0) done++
    body = -1
    for (let end = buffered.indexOf('\r\n\r\n'); body < 0 && end >= 0; end = buffered.indexOf('\r\n\r\n')) {
      const head = buffered.toString('latin1', 0, end)
      if (!head.startsWith('HTTP/1.1 200 ')) return [head.split('\r\n')[0]!]
      const length = Number(/content-length: (\d+)/i.exec(head)![1])
      buffered = buffered.subarray(end + 4)
      if (buffered.length < length) body = length - buffered.length
      else {
        buffered = buffered.subarray(length)
        done++
      }
    }
    if (done === REQUESTS) break
    send()
  }
  socket.destroy()
  if (done !== REQUESTS) bad.push(`${done} answers of ${REQUESTS}`)
  return bad
}

await t.test('ten requests at once on one TLS connection are answered, however slowly their client reads', async t => {
  const folder = t.testdir()
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=localhost', '-days', '2', '-keyout', join(folder, 'key'), '-out', join(folder, 'cert')], { stdio: 'ignore' })
  writeFileSync(join(folder, 'blob'), Buffer.alloc(LARGE, 7))
  const server = createServer({ key: readFileSync(join(folder, 'key')), cert: readFileSync(join(folder, 'cert')) }, (request, response) => {
    const length = Number(request.url!.slice(1))
    response.setHeader('content-length', length)
    if (length === SMALL) response.end(Buffer.alloc(length))
    else createReadStream(join(folder, 'blob'), { highWaterMark: 256 * 1024 }).pipe(response)
  })
  takePipelinedRequests(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const bad: string[] = []
  for (let round = 0; round < 20; round++) bad.push(...(await Promise.all([1, 2, 3].map(k => session(port, round + k)))).flat())
  t.same(bad, [])
})
