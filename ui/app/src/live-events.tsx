import { createContext, useContext, useEffect, useMemo, useRef, useState, type ReactNode } from 'react'
import { answerOf, api, type DrydockEvent } from './api.ts'

const KEPT_EVENTS = 500
const AGAIN_MS = 2000

/** What never changes while the console is open, so that an event redraws only those who show events. */
type Stream = {
  subscribe(listener: (event: DrydockEvent) => void): () => void
  /** The appliance did not answer somebody's request. */
  missed(): void
}

export type Live = {
  /** Newest last. */
  events: readonly DrydockEvent[]
  /** When the stream broke; null while it is live. */
  staleSince: Date | null
}

const StreamContext = createContext<Stream>({ subscribe: () => () => undefined, missed: () => undefined })
const LiveContext = createContext<Live>({ events: [], staleSince: null })

/** One event stream for all pages (SSE with replay): after a break it goes on behind the last event it has. */
export function LiveEvents({ children }: { children: ReactNode }): ReactNode {
  const [events, setEvents] = useState<readonly DrydockEvent[]>([])
  const [staleSince, setStaleSince] = useState<Date | null>(null)
  const listeners = useRef(new Set<(event: DrydockEvent) => void>())
  const stream = useMemo<Stream>(
    () => ({
      subscribe(listener) {
        listeners.current.add(listener)
        return () => listeners.current.delete(listener)
      },
      missed: () => setStaleSince(since => since ?? new Date()),
    }),
    [],
  )

  useEffect(() => {
    let last = 0
    let source: EventSource | undefined
    let retry: ReturnType<typeof setTimeout> | undefined
    let ended = false

    const take = (event: DrydockEvent): void => {
      if (event.seq <= last) return
      last = event.seq
      setEvents(kept => [...kept, event].slice(-KEPT_EVENTS))
      for (const listener of listeners.current) listener(event)
    }
    const open = (): void => {
      source = new EventSource(`/api/v1/events/stream?after=${last}`)
      source.addEventListener('open', () => setStaleSince(null))
      source.addEventListener('message', message => take(JSON.parse(String(message.data)) as DrydockEvent))
      source.addEventListener('error', () => {
        stream.missed()
        source?.close()
        if (!ended) retry = setTimeout(open, AGAIN_MS)
      })
    }
    void answerOf(api.GET('/api/v1/events', { params: { query: { limit: 200 } } }))
      .then(recent => {
        for (const event of recent) take(event)
      })
      .catch(() => undefined)
      .finally(() => {
        if (!ended) open()
      })
    return () => {
      ended = true
      clearTimeout(retry)
      source?.close()
    }
  }, [stream])

  const live = useMemo<Live>(() => ({ events, staleSince }), [events, staleSince])
  return <StreamContext value={stream}><LiveContext value={live}>{children}</LiveContext></StreamContext>
}

export function useLive(): Live {
  return useContext(LiveContext)
}

export function useStream(): Stream {
  return useContext(StreamContext)
}
