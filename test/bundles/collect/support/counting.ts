import { once } from 'node:events'
import { Agent, createServer, request as ask } from 'node:http'
import { Agent as SecureAgent, request as askSecurely } from 'node:https'
import type { AddressInfo } from 'node:net'

export type Counting = {
  url: string
  /** Path of every request below the upstream's own, in order. */
  requests: string[]
  /** Bytes of all answers' bodies. */
  bytes(): number
  reset(): void
  /** Answers are held back after this many, until the next reset: what is asked then hangs. */
  holdAfter(requests: number): void
  close(): Promise<void>
}

/** Stands in front of a real registry, passes everything on as it is, and counts. */
export async function startCounting(upstream: string): Promise<Counting> {
  const requests: string[] = []
  let bytes = 0
  let hold = Infinity
  const base = new URL(upstream)
  const plain = new Agent({ proxyEnv: process.env })
  const secure = new SecureAgent({ proxyEnv: process.env })
  const server = createServer((request, response) => {
    const path = request.url ?? '/'
    const url = new URL(`${base.pathname.replace(/\/$/, '')}${path}`, base)
    requests.push(path.split('?')[0]!)
    if (requests.length > hold) return
    const { host: _host, connection: _connection, ...headers } = request.headers
    const passed = (url.protocol === 'https:' ? askSecurely : ask)(url, { method: request.method, headers, agent: url.protocol === 'https:' ? secure : plain })
    passed.on('error', () => response.destroy())
    passed.on('response', answer => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.on('data', (chunk: Buffer) => {
        bytes += chunk.length
      })
      answer.pipe(response)
    })
    request.pipe(passed)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    bytes: () => bytes,
    reset() {
      requests.length = 0
      bytes = 0
      hold = Infinity
    },
    holdAfter(most) {
      hold = most
    },
    async close() {
      plain.destroy()
      secure.destroy()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
