import type { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Digest } from '../../appliance/core/digest.ts'
import { hexOf } from '../../appliance/core/digest.ts'
import type { BlobStore } from './blobs.ts'
import { bodyCache } from './body-cache.ts'
import type { Entry } from './format.ts'
import { listsTag, parseRange } from './range.ts'
import { streamFile } from './stream-file.ts'

const YEAR_SECONDS = 31_536_000
/** Streamed answers under way on one connection. apt asks for ten at once; who asks for hundreds and reads none wants our open files. */
const STREAMS_PER_CONNECTION = 32

type Headers = Record<string, string>

/** What a format adds to the answer; asked once for each entry, since both never change. */
export type MoreHeaders = (entry: Entry) => Headers

export type Sender = (request: FastifyRequest, reply: FastifyReply, entry: Entry, more: MoreHeaders | undefined) => FastifyReply | Promise<FastifyReply>

/** Answers GET and HEAD with one blob: strong ETag, conditional requests, one range, Content-Length; small bodies from memory, large ones from the disk. */
export function senderOf(blobs: BlobStore): Sender {
  const cache = bodyCache(blobs)
  const streams = new WeakMap<Socket, number>()

  const send = (request: FastifyRequest, reply: FastifyReply, entry: Entry, own: Headers, body: Buffer): FastifyReply => {
    const range = answerHead(request, reply, entry, own, body.length)
    if (range === 'answered') return reply
    return reply.send(range === undefined ? body : body.subarray(range.start, range.end + 1))
  }

  const load = async (request: FastifyRequest, reply: FastifyReply, entry: Entry, own: Headers): Promise<FastifyReply> => {
    const body = await cache.load(entry)
    if (body !== undefined) return send(request, reply, entry, own, body)
    const connection = request.raw.socket
    const here = streams.get(connection) ?? 0
    if (here === STREAMS_PER_CONNECTION) {
      connection.destroy()
      return reply.hijack()
    }
    streams.set(connection, here + 1)
    try {
      return await stream(request, reply, entry, own)
    } finally {
      streams.set(connection, streams.get(connection)! - 1)
    }
  }

  const stream = async (request: FastifyRequest, reply: FastifyReply, entry: Entry, own: Headers): Promise<FastifyReply> => {
    const handle = await blobs.open(entry.digest)
    try {
      const { size } = await handle.stat()
      const range = answerHead(request, reply, entry, own, size)
      if (range === 'answered') return reply
      await streamFile(handle, range ?? { start: 0, end: size - 1 }, () => {
        reply.hijack()
        for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) reply.raw.setHeader(name, value)
        return reply.raw.writeHead(reply.statusCode)
      })
    } catch (failure) {
      if (!reply.raw.headersSent) throw failure
      // Half an answer cannot be taken back: the client sees that it ends before its Content-Length.
      reply.raw.destroy()
    } finally {
      await handle.close()
    }
    return reply
  }

  const headers = new WeakMap<Entry, Headers>()
  return (request, reply, entry, more) => {
    let own = headers.get(entry)
    if (own === undefined) headers.set(entry, (own = { ...headersOf(entry), ...more?.(entry) }))
    const kept = cache.kept(entry.digest)
    return kept === undefined ? load(request, reply, entry, own) : send(request, reply, entry, own, kept)
  }
}

/** Sets status and headers; sends the answer itself when it has no body. */
function answerHead(request: FastifyRequest, reply: FastifyReply, entry: Entry, own: Headers, size: number): { start: number; end: number } | undefined | 'answered' {
  const tag = tagOf(entry.digest)
  void reply.headers(own)
  const { headers, method } = request
  if (listsTag(headers['if-none-match'], tag)) {
    void reply.code(304).removeHeader('content-type').send()
    return 'answered'
  }
  const wanted = headers['if-range'] === undefined || headers['if-range'] === tag
  const range = wanted && method === 'GET' ? parseRange(headers.range, size) : undefined
  if (range === 'unsatisfiable') {
    void reply.code(416).removeHeader('content-type').header('content-range', `bytes */${size}`).send()
    return 'answered'
  }
  if (range !== undefined) void reply.code(206).header('content-range', `bytes ${range.start}-${range.end}/${size}`)
  void reply.header('content-length', range === undefined ? size : range.end - range.start + 1)
  if (method !== 'HEAD') return range
  void reply.send()
  return 'answered'
}

function headersOf(entry: Entry): Headers {
  return {
    'content-type': entry.mediaType,
    etag: tagOf(entry.digest),
    'cache-control': entry.immutable ? `public, max-age=${YEAR_SECONDS}, immutable` : 'no-cache',
    'accept-ranges': 'bytes',
    'x-content-type-options': 'nosniff',
    'content-security-policy': 'sandbox',
  }
}

function tagOf(digest: Digest): string {
  return `"sha256-${hexOf(digest)}"`
}
