import { useCallback, useEffect, useRef, useState } from 'react'
import { faultFrom, type DrydockEvent, type Fault } from './api.ts'
import { useLive } from './live-events.tsx'

const SETTLE_MS = 150
const POLL_MS = 5000

export type Loaded<T> = { data: T | undefined; fault: Fault | null; reload: () => void }

/**
 * Loads, and loads again whenever a live event concerns it; many events in a row cost one load. A slow poll beneath it shows what no
 * event tells (a node that waits).
 */
export function useAnswer<T>(load: () => Promise<T>, key: string, concerns: (event: DrydockEvent) => boolean = () => true): Loaded<T> {
  const [data, setData] = useState<T>()
  const [fault, setFault] = useState<Fault | null>(null)
  const { subscribe } = useLive()
  const newest = useRef({ load, concerns })
  newest.current = { load, concerns }

  const reload = useCallback(() => {
    newest.current.load().then(
      answer => {
        setData(answer)
        setFault(null)
      },
      failure => setFault(faultFrom(failure)),
    )
  }, [])

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    setData(undefined)
    reload()
    const unsubscribe = subscribe(event => {
      if (!newest.current.concerns(event)) return
      clearTimeout(timer)
      timer = setTimeout(reload, SETTLE_MS)
    })
    const poll = setInterval(reload, POLL_MS)
    return () => {
      unsubscribe()
      clearTimeout(timer)
      clearInterval(poll)
    }
  }, [key, reload, subscribe])

  return { data, fault, reload }
}
