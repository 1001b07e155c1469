import { Center, Loader } from '@mantine/core'
import { useCallback, useEffect, useState, type ReactNode } from 'react'
import { Route, Routes } from 'react-router'
import { answerOf, api, ApiFault, faultFrom, SIGNED_OUT, type Fault, type Session } from './api.ts'
import { LiveEvents } from './live-events.tsx'
import { FaultBox } from './parts/facts.tsx'
import { Page } from './parts/page.tsx'
import { EventsPage } from './pages/events.tsx'
import { HomePage } from './pages/home.tsx'
import { ImagesPage } from './pages/images.tsx'
import { ImportPage } from './pages/import.tsx'
import { ImportsPage } from './pages/imports.tsx'
import { MirrorsPage } from './pages/mirrors.tsx'
import { NodePage } from './pages/node.tsx'
import { NodesPage } from './pages/nodes.tsx'
import { PoolPage } from './pages/pool.tsx'
import { PoolsPage } from './pages/pools.tsx'
import { NewPassword, SignIn } from './pages/sign-in.tsx'
import { Shell } from './shell.tsx'
import { SessionContext } from './session.ts'

/** Who is there decides what is shown: nobody → sign in; a one-time password → a new one; else the console. */
export function Console(): ReactNode {
  const [session, setSession] = useState<Session | null | undefined>(undefined)
  const [fault, setFault] = useState<Fault | null>(null)
  const look = useCallback(async () => {
    try {
      setSession(await answerOf(api.GET('/api/v1/session')))
      setFault(null)
    } catch (failure) {
      const found = faultFrom(failure)
      const isNobody = failure instanceof ApiFault && found.code.startsWith('DD-IDENT')
      if (isNobody) setSession(null)
      setFault(isNobody ? null : found)
    }
  }, [])
  useEffect(() => {
    const nobody = (): void => setSession(null)
    window.addEventListener(SIGNED_OUT, nobody)
    void look()
    return () => window.removeEventListener(SIGNED_OUT, nobody)
  }, [look])

  if (fault !== null) return <Center p="xl"><FaultBox fault={fault} /></Center>
  if (session === undefined) return <Center p="xl"><Loader aria-label="loading" /></Center>
  if (session === null) return <SignIn onSignedIn={look} />
  if (session.mustChangePassword) return <NewPassword user={session.user} onChanged={look} />
  return (
    <SessionContext value={session}>
      <LiveEvents>
        <Shell onSignedOut={look}>
          <Routes>
            <Route path="/" element={<HomePage />} />
            <Route path="/imports" element={<ImportsPage />} />
            <Route path="/imports/:id" element={<ImportPage />} />
            <Route path="/pools" element={<PoolsPage />} />
            <Route path="/pools/:name" element={<PoolPage />} />
            <Route path="/nodes" element={<NodesPage />} />
            <Route path="/nodes/:name" element={<NodePage />} />
            <Route path="/images" element={<ImagesPage />} />
            <Route path="/mirrors" element={<MirrorsPage />} />
            <Route path="/events" element={<EventsPage />} />
            <Route path="*" element={<Page title="Not here" question="What was asked for?"><p>There is no page at this address. Press <kbd>g</kbd> <kbd>h</kbd> for the first one.</p></Page>} />
          </Routes>
        </Shell>
      </LiveEvents>
    </SessionContext>
  )
}
