import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Loopback = {
  url: string
  /** `METHOD path` of every request, in order. */
  requests: { path: string; headers: IncomingMessage['headers'] }[]
  /** What a path is answered with: bytes, a whole answer, or nothing (404). */
  files: Map<string, Uint8Array | string | ((response: ServerResponse, request: IncomingMessage) => void)>
  close(): Promise<void>
}

/** A registry of our own on a free loopback port, which says exactly what a test wants it to say. */
export async function startLoopback(): Promise<Loopback> {
  const files: Loopback['files'] = new Map()
  const requests: Loopback['requests'] = []
  const server = createServer((request, response) => {
    const path = decodeURIComponent((request.url ?? '/').split('?')[0]!)
    requests.push({ path, headers: request.headers })
    const answer = files.get(path)
    if (typeof answer === 'function') answer(response, request)
    else if (answer === undefined) response.writeHead(404).end('{}')
    else response.writeHead(200, { 'content-type': path.endsWith('/') ? 'text/html' : 'application/octet-stream', 'content-length': Buffer.byteLength(answer) }).end(answer)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    files,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** A port on which nothing listens. */
export async function deadUrl(): Promise<string> {
  const server = await startLoopback()
  await server.close()
  return server.url
}
