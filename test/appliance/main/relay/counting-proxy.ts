import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'

export type CountingProxy = { url: string; /** Addresses that were asked for, in order. */ asked: string[]; close(): Promise<void> }

/** A forward proxy that knows some made-up hosts, each a server of the test's own, and no other: what is fetched past it cannot be fetched. */
export async function startCountingProxy(hosts: Record<string, string>): Promise<CountingProxy> {
  const asked: string[] = []
  const server = createServer((incoming, outgoing) => {
    asked.push(incoming.url ?? '')
    const url = URL.parse(incoming.url ?? '')
    const known = url === null ? undefined : hosts[url.hostname]
    if (url === null || known === undefined) return outgoing.writeHead(403).end()
    const { 'proxy-connection': _hop, connection: _closed, ...headers } = incoming.headers
    const passed = request(new URL(`${url.pathname}${url.search}`, known), { method: incoming.method, headers, agent: false }, answer => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    })
    passed.on('error', () => outgoing.destroy())
    incoming.pipe(passed)
  })
  server.on('connect', (incoming, socket) => {
    asked.push(incoming.url ?? '')
    socket.end('HTTP/1.1 403 Forbidden\r\n\r\n')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
