import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Served = {
  bytes: Buffer
  etag?: string
  /** Without it the server knows no ranges and always sends everything. */
  ranges?: boolean
  /** Body bytes after which each answer is cut, in turn; the last one counts for all that follow. Infinity sends the whole answer. */
  cutAfter?: number[]
  /** Instead of cutting it says nothing any more. */
  stalls?: boolean
  /** Another beginning than was asked for. */
  lies?: number
  contentType?: string
}

export type Asked = { path: string; range: string | undefined; ifRange: string | undefined; status: number }

export type Cutting = {
  url: string
  files: Map<string, Served>
  asked: Asked[]
  /** Body bytes that were handed to the network. */
  sent(): number
  close(): Promise<void>
}

/** A web server with ranges (RFC 9110, 14) that breaks off where a test wants it, and counts what it sends. */
export async function startCutting(): Promise<Cutting> {
  const files: Cutting['files'] = new Map()
  const asked: Asked[] = []
  let sent = 0
  const server = createServer((request, response) => {
    const path = request.url ?? '/'
    const served = files.get(path)
    if (served === undefined) return void response.writeHead(404).end('{}')
    const from = wantedFrom(request, served)
    const { range, 'if-range': ifRange } = request.headers
    const status = from === undefined ? 200 : from >= served.bytes.length ? 416 : 206
    asked.push({ path, range, ifRange: typeof ifRange === 'string' ? ifRange : undefined, status })
    if (status === 416) return void response.writeHead(416, { 'content-range': `bytes */${served.bytes.length}` }).end()
    const start = from === undefined ? 0 : (served.lies ?? from)
    const body = served.bytes.subarray(start)
    response.writeHead(status, {
      'content-type': served.contentType ?? 'application/octet-stream',
      'content-length': body.length,
      ...(served.etag === undefined ? {} : { etag: served.etag }),
      ...(status === 206 ? { 'content-range': `bytes ${start}-${served.bytes.length - 1}/${served.bytes.length}` } : {}),
    })
    const cut = (served.cutAfter?.length ?? 0) > 1 ? served.cutAfter!.shift()! : (served.cutAfter?.[0] ?? Infinity)
    const part = body.subarray(0, cut)
    sent += part.length
    if (part.length === body.length) return void response.end(part)
    // Only when the kernel has all of it: a reset throws away what is still in its buffer on either side.
    response.write(part, () => void (served.stalls === true || breakOff(response)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    files,
    asked,
    sent: () => sent,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function wantedFrom({ headers }: IncomingMessage, { ranges, etag }: Served): number | undefined {
  const first = /^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1]
  if (ranges !== true || first === undefined) return undefined
  const condition = headers['if-range']
  return condition === undefined || condition === etag ? Number(first) : undefined
}

function breakOff(response: ServerResponse): void {
  setTimeout(() => response.socket?.destroy(), 20)
}

/** Bytes that no compression and no repetition makes alike, the same for the same seed. */
export function randomBytes(size: number, seed: string): Buffer {
  const blocks = Array.from({ length: Math.ceil(size / 32) }, (_, k) => createHash('sha256').update(`${seed} ${k}`).digest())
  return Buffer.concat(blocks).subarray(0, size)
}
