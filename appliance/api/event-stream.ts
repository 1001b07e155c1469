import { SECURITY_HEADERS } from './console.ts'
import type { EventFilter } from '../model/event.ts'
import type { Ask } from './route.ts'
import type { Services } from './services.ts'

/** A comment this often keeps proxies and dead connections honest. */
const BEAT_MS = 15_000
/** Bytes that may wait for one reader; a slower one is cut off and comes back with the number of its last event. */
const WAITING_BYTES = 1024 * 1024
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
  const write = (text: string): void => {
    if (!streams.has(end)) return
    response.write(text)
    if (response.writableLength > WAITING_BYTES) end()
  }
  streams.add(end)
  const beat = setInterval(() => (services.identity.authenticate(credential, { touch: false }) === undefined ? end() : write(': beat\n\n')), BEAT_MS)
  response.on('close', end)
  response.on('error', end)
  const stop = services.events.subscribe({ ...query, after }, event => write(`id: ${event.seq}\ndata: ${JSON.stringify(event)}\n\n`))
  stopEvents = stop
  if (!streams.has(end)) stop()
}

/** Ends every stream, so that the server can close. */
export function endStreams(services: Services): void {
  for (const end of open.get(services) ?? []) end()
}
