import { SECURITY_HEADERS } from './console.ts'
import type { ServerResponse } from 'node:http'
import type { Event, EventFilter } from '../model/event.ts'
import type { Ask } from './route.ts'
import type { Services } from './services.ts'

/** A comment this often keeps proxies and dead connections honest. */
const BEAT_MS = 15_000
/** Bytes that may wait for one reader; a slower one is cut off and comes back with the number of its last event. */
const WAITING_BYTES = 1024 * 1024
/** Events that are read at a time while what happened before is replayed. */
const PAGE = 500
/** A replay whose reader takes nothing for this long is ended. */
const STALLED_MS = 30_000
/** Streams that are open at the same time, over all users. */
const STREAMS = 256

const open = new WeakMap<object, Set<() => void>>()

/**
 * Events as they happen (server-sent events, WHATWG HTML 9.2): first what is stored, then what comes. Reading along does not keep a session
 * alive, and a session that ends takes its streams with it.
 */
export function streamEvents(services: Services, query: Pick<EventFilter, 'after' | 'subject' | 'operation'>, http: Ask<unknown, unknown, unknown>['http']): void {
  const { reply, request, credential } = http
  const streams = open.get(services) ?? new Set<() => void>()
  open.set(services, streams)
  const last = Number(request.headers['last-event-id'])
  const after = Number.isSafeInteger(last) && last > 0 ? last : (query.after ?? 0)
  reply.hijack()
  const response = reply.raw
  if (streams.size >= STREAMS) {
    response.writeHead(503, { 'retry-after': '5' }).end()
    return
  }
  response.writeHead(200, { ...SECURITY_HEADERS, 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' })
  response.write(': drydock events\n\n')

  let stopEvents = (): void => undefined
  const end = (): void => {
    if (!streams.delete(end)) return
    clearInterval(beat)
    stopEvents()
    response.destroy()
  }
  const write = (event: Event): boolean => streams.has(end) && response.write(`id: ${event.seq}\ndata: ${JSON.stringify(event)}\n\n`)
  streams.add(end)
  const beat = setInterval(() => {
    if (services.identity.authenticate(credential, { touch: false }) === undefined) end()
    else response.write(': beat\n\n')
  }, BEAT_MS)
  response.on('close', end)
  response.on('error', end)

  const about = { ...(query.subject === undefined ? {} : { subject: query.subject }), ...(query.operation === undefined ? {} : { operation: query.operation }) }
  /** Page by page, at the reader's pace: a long history is no reason to cut anybody off. */
  async function replay(): Promise<number> {
    for (let sent = after; ; ) {
      const page = services.events.list({ ...about, after: sent, limit: PAGE })
      for (const event of page) if (!write(event)) await drained(response)
      sent = page.at(-1)?.seq ?? sent
      if (page.length < PAGE || !streams.has(end)) return sent
    }
  }
  replay().then(sent => {
    if (!streams.has(end)) return
    const stop = services.events.subscribe({ ...about, after: sent }, event => {
      write(event)
      if (response.writableLength > WAITING_BYTES) end()
    })
    stopEvents = stop
    if (!streams.has(end)) stop()
  }, end)
}

/** Until what was written has gone out, or the connection is gone; a reader that takes nothing for a while ends it. */
async function drained(response: ServerResponse): Promise<void> {
  if (!response.writableNeedDrain || response.destroyed) return
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(() => response.destroy(), STALLED_MS)
  response.once('drain', resolve)
  response.once('close', resolve)
  await promise
  clearTimeout(timer)
  response.off('drain', resolve)
  response.off('close', resolve)
}

/** Ends every stream, so that the server can close. */
export function endStreams(services: Services): void {
  for (const end of open.get(services) ?? []) end()
}
