import { ActionIcon, Button, NavLink, Text, useComputedColorScheme, useMantineColorScheme } from '@mantine/core'
import { useState, type ReactNode } from 'react'
import { Link, useLocation } from 'react-router'
import { api } from './api.ts'
import { PAGES, useKeyboard } from './keyboard.ts'
import { useLive } from './live-events.tsx'
import { Dialogue } from './parts/dialogue.tsx'
import { Icon } from './parts/icon.tsx'
import { useSession } from './session.ts'
import { urls } from './urls.ts'
import { clock } from './words.ts'

/** The frame around every page: where we are, whether it is live, who we are. */
export function Shell({ children, onSignedOut }: { children: ReactNode; onSignedOut: () => Promise<void> }): ReactNode {
  const { session } = useSession()
  const { staleSince } = useLive()
  const { setColorScheme } = useMantineColorScheme()
  const scheme = useComputedColorScheme('light')
  const [menuOpen, setMenuOpen] = useState(false)
  const [helpOpen, setHelpOpen] = useState(false)
  const { pathname } = useLocation()
  useKeyboard(() => setHelpOpen(true))
  const signOut = <Button size="compact-xs" variant="default" onClick={() => void api.DELETE('/api/v1/session').then(onSignedOut)}>Sign out</Button>

  return (
    <div className="shell">
      <a className="skip" href="#main">Skip to the page</a>
      <header className="head">
        <ActionIcon className="only-phone" variant="subtle" color="gray" aria-label="pages" aria-expanded={menuOpen} onClick={() => setMenuOpen(!menuOpen)}><Icon name="menu" /></ActionIcon>
        <Link className="brand" to={urls.home}><img src="/drydock.svg" width="26" height="26" alt="" />Drydock</Link>
        <span className="site">{session.site}</span>
        <div className="end">
          <span className="live" role="status" data-stale={staleSince !== null}>{staleSince === null ? 'live' : `stale since ${clock(staleSince.toISOString())}`}</span>
          <ActionIcon variant="subtle" color="gray" title="light or dark" aria-label="switch between light and dark" onClick={() => setColorScheme(scheme === 'dark' ? 'light' : 'dark')}><Icon name="scheme" /></ActionIcon>
          <ActionIcon variant="subtle" color="gray" title="keys and help" aria-label="keys and help" onClick={() => setHelpOpen(true)}><Icon name="help" /></ActionIcon>
          <span className="who only-wide">{whoIs(session)}</span>
          <span className="only-wide">{signOut}</span>
        </div>
      </header>
      <nav className="nav" aria-label="pages" data-open={menuOpen}>
        {PAGES.map(page => {
          const here = page.to === urls.home ? pathname === urls.home : pathname.startsWith(page.to)
          return <NavLink key={page.to} component={Link} to={page.to} label={page.label} active={here} aria-current={here ? 'page' : undefined} onClick={() => setMenuOpen(false)} />
        })}
        <div className="version">
          <div className="only-phone"><span>{whoIs(session)}</span>{signOut}</div>
          Drydock {session.version}
        </div>
      </nav>
      <main className="main" id="main">
        {staleSince === null ? null : (
          <div className="stale page" role="alert">
            <span><b>The appliance has not answered since {clock(staleSince.toISOString())}.</b> What is shown may be old. It is asked again every two seconds; on the appliance, <code>drydock doctor</code> says what is wrong.</span>
          </div>
        )}
        {children}
      </main>
      <Dialogue open={helpOpen} onClose={() => setHelpOpen(false)} title="Keys">
        <dl className="keys">
          {PAGES.map(page => [<dt key={`key ${page.key}`}><kbd>g</kbd> <kbd>{page.key}</kbd></dt>, <dd key={page.key}><b>{page.label}</b>: {page.question}</dd>])}
          <dt><kbd>/</kbd></dt><dd>search the mirrors</dd>
          <dt><kbd>?</kbd></dt><dd>this list</dd>
        </dl>
        <Text size="sm" className="soft">Everything here can be done with the drydock command; each action shows its line.</Text>
      </Dialogue>
    </div>
  )
}

const whoIs = ({ user, role }: { user: string; role: string }): string => (user === role ? user : `${user} (${role})`)
