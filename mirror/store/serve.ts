import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Digest } from '../../appliance/core/digest.ts'
import { hexOf } from '../../appliance/core/digest.ts'
import type { BlobStore } from './blobs.ts'
import { bodyCache } from './body-cache.ts'
import type { Entry } from './format.ts'
import { listsTag, parseRange } from './range.ts'

/** Bytes read from the disk at a time for a streamed body. */
const STREAM_BYTES = 256 * 1024
const YEAR_SECONDS = 31_536_000

export type Sender = (request: FastifyRequest, reply: FastifyReply, entry: Entry, headers: Record<string, string>) => FastifyReply | Promise<FastifyReply>

/** Answers GET and HEAD with one blob: strong ETag, conditional requests, one range, Content-Length; small bodies from memory, large ones from the disk. */
export function senderOf(blobs: BlobStore): Sender {
  const cache = bodyCache(blobs)

  const send = (request: FastifyRequest, reply: FastifyReply, entry: Entry, body: Buffer): FastifyReply => {
    const range = answerHead(request, reply, entry, body.length)
    if (range === 'answered') return reply
    return reply.send(range === undefined ? body : body.subarray(range.start, range.end + 1))
  }

  const load = async (request: FastifyRequest, reply: FastifyReply, entry: Entry): Promise<FastifyReply> => {
    const body = await cache.load(entry)
    if (body !== undefined) return send(request, reply, entry, body)
    const handle = await blobs.open(entry.digest)
    try {
      const { size } = await handle.stat()
      const range = answerHead(request, reply, entry, size)
      if (range === 'answered') {
        await handle.close()
        return reply
      }
      return await reply.send(handle.createReadStream({ ...range, highWaterMark: STREAM_BYTES }))
    } catch (failure) {
      await handle.close().catch(() => undefined)
      throw failure
    }
  }

  return (request, reply, entry, headers) => {
    void reply.headers(headers)
    const kept = cache.kept(entry.digest)
    return kept === undefined ? load(request, reply, entry) : send(request, reply, entry, kept)
  }
}

/** Sets status and headers; sends the answer itself when it has no body. */
function answerHead(request: FastifyRequest, reply: FastifyReply, entry: Entry, size: number): { start: number; end: number } | undefined | 'answered' {
  const tag = tagOf(entry.digest)
  void reply.headers({
    etag: tag,
    'cache-control': entry.immutable ? `public, max-age=${YEAR_SECONDS}, immutable` : 'no-cache',
    'accept-ranges': 'bytes',
    'x-content-type-options': 'nosniff',
    'content-security-policy': 'sandbox',
  })
  const { headers, method } = request
  if (listsTag(headers['if-none-match'], tag)) {
    void reply.code(304).send()
    return 'answered'
  }
  if (!reply.hasHeader('content-type')) void reply.header('content-type', entry.mediaType)
  const wanted = headers['if-range'] === undefined || headers['if-range'] === tag
  const range = wanted && method === 'GET' ? parseRange(headers.range, size) : undefined
  if (range === 'unsatisfiable') {
    void reply.code(416).header('content-range', `bytes */${size}`).send()
    return 'answered'
  }
  if (range !== undefined) void reply.code(206).header('content-range', `bytes ${range.start}-${range.end}/${size}`)
  void reply.header('content-length', range === undefined ? size : range.end - range.start + 1)
  if (method !== 'HEAD') return range
  void reply.send()
  return 'answered'
}

function tagOf(digest: Digest): string {
  return `"sha256-${hexOf(digest)}"`
}
