import { useCallback, useEffect, useRef, useState } from 'react'
import { faultFrom, NO_ANSWER, type DrydockEvent, type Fault } from './api.ts'
import { useStream } from './live-events.tsx'

/** Many events within it cost one load. */
const SETTLE_MS = 150
const POLL_MS = 5000

export type Loaded<T> = { data: T | undefined; fault: Fault | null; reload: () => void }

export type Look = {
  concerns?: (event: DrydockEvent) => boolean
  /** Milliseconds of the slow poll beneath the events, which shows what no event tells (how long a node waits). null: none. */
  everyMs?: number | null
  /** What was loaded under another key stays until the new answer is there. */
  keep?: boolean
}

/** Loads, and loads again whenever a live event concerns it. */
export function useAnswer<T>(load: () => Promise<T>, key: string, look: Look = {}): Loaded<T> {
  const [data, setData] = useState<T>()
  const [fault, setFault] = useState<Fault | null>(null)
  const { subscribe, missed } = useStream()
  const newest = useRef({ load, look, asked: 0 })
  newest.current.load = load
  newest.current.look = look
  const { everyMs = POLL_MS, keep = false } = look

  const reload = useCallback(() => {
    const mine = ++newest.current.asked
    newest.current.load().then(
      answer => {
        if (mine !== newest.current.asked) return
        setData(answer)
        setFault(null)
      },
      failure => {
        if (mine !== newest.current.asked) return
        const found = faultFrom(failure)
        // An appliance that does not answer is said once, over the page, which keeps what it has.
        if (found.code === NO_ANSWER) missed()
        else setFault(found)
      },
    )
  }, [missed])

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    if (!keep) setData(undefined)
    reload()
    const unsubscribe = subscribe(event => {
      if (newest.current.look.concerns?.(event) === false) return
      timer ??= setTimeout(() => {
        timer = undefined
        reload()
      }, SETTLE_MS)
    })
    const poll = everyMs === null ? undefined : setInterval(reload, everyMs)
    return () => {
      newest.current.asked++
      unsubscribe()
      clearTimeout(timer)
      clearInterval(poll)
    }
  }, [key, keep, everyMs, reload, subscribe])

  return { data, fault, reload }
}
