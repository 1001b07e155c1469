import { ActionIcon, Anchor, AppShell, Burger, Group, Menu, Modal, NavLink, Text, Tooltip, useMantineColorScheme } from '@mantine/core'
import { useEffect, useState, type ReactNode } from 'react'
import { Link, useLocation, useNavigate } from 'react-router'
import { api } from './api.ts'
import { useLive } from './live-events.tsx'
import { useSession } from './session.ts'
import { urls } from './urls.ts'
import { clock } from './words.ts'

/** The pages, their key after `g`, and the question each answers. */
const PAGES = [
  { key: 'h', to: urls.home, label: 'Home', question: 'what needs me?' },
  { key: 'i', to: urls.imports, label: 'Imports', question: 'what came in, may it pass?' },
  { key: 'm', to: urls.mirrors, label: 'Mirrors', question: 'what do we have?' },
  { key: 'b', to: urls.images, label: 'Images', question: 'what do the runners run?' },
  { key: 'p', to: urls.pools, label: 'Pools', question: 'are the fleets as declared?' },
  { key: 'n', to: urls.nodes, label: 'Nodes', question: 'is this runner the same as its siblings?' },
  { key: 'e', to: urls.events, label: 'Events', question: 'what happened, who did it?' },
] as const

export function Shell({ children, onSignedOut }: { children: ReactNode; onSignedOut: () => Promise<void> }): ReactNode {
  const { session } = useSession()
  const { staleSince } = useLive()
  const { colorScheme, setColorScheme } = useMantineColorScheme()
  const [menuOpen, setMenuOpen] = useState(false)
  const [helpOpen, setHelpOpen] = useState(false)
  const { pathname } = useLocation()
  useKeyboard(() => setHelpOpen(true))

  return (
    <AppShell header={{ height: 48 }} navbar={{ width: 190, breakpoint: 'sm', collapsed: { mobile: !menuOpen } }} padding="md">
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap">
          <Group gap="sm" wrap="nowrap">
            <Burger opened={menuOpen} onClick={() => setMenuOpen(!menuOpen)} hiddenFrom="sm" size="sm" aria-label="menu" />
            <img src="/drydock.svg" width="24" height="24" alt="" />
            <Text fw={700}>Drydock</Text>
            <Text size="sm" c="dimmed">{session.site}</Text>
          </Group>
          <Group gap="md" wrap="nowrap">
            <span className="live" role="status" data-stale={staleSince !== null}>
              {staleSince === null ? '● live' : `▲ stale since ${clock(staleSince.toISOString())}`}
            </span>
            <Tooltip label="light or dark">
              <ActionIcon variant="subtle" aria-label="switch between light and dark" onClick={() => setColorScheme(colorScheme === 'dark' ? 'light' : 'dark')}>◐</ActionIcon>
            </Tooltip>
            <ActionIcon variant="subtle" aria-label="keys and help" onClick={() => setHelpOpen(true)}>?</ActionIcon>
            <Menu position="bottom-end">
              <Menu.Target>
                <Anchor component="button" size="sm" aria-label={`signed in as ${session.user}, ${session.role}`}>{session.user} · {session.role}</Anchor>
              </Menu.Target>
              <Menu.Dropdown>
                <Menu.Item onClick={() => void api.DELETE('/api/v1/session').then(onSignedOut)}>Sign out</Menu.Item>
              </Menu.Dropdown>
            </Menu>
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs" aria-label="pages">
        {PAGES.map(page => (
          <NavLink key={page.to} component={Link} to={page.to} label={page.label} active={page.to === '/' ? pathname === '/' : pathname.startsWith(page.to)} onClick={() => setMenuOpen(false)} />
        ))}
        <Text size="xs" c="dimmed" mt="auto" p="xs">Drydock {session.version}</Text>
      </AppShell.Navbar>
      <AppShell.Main>
        <div className="page">{children}</div>
      </AppShell.Main>
      <Modal opened={helpOpen} onClose={() => setHelpOpen(false)} title="Keys" lockScroll={false}>
        <ul>
          {PAGES.map(page => <li key={page.key}><kbd>g</kbd> <kbd>{page.key}</kbd> {page.label}: {page.question}</li>)}
          <li><kbd>/</kbd> search the mirrors</li>
          <li><kbd>?</kbd> this list</li>
        </ul>
        <Text size="sm" c="dimmed">Everything here can be done with the drydock command; each action shows its line.</Text>
      </Modal>
    </AppShell>
  )
}

function useKeyboard(showHelp: () => void): void {
  const navigate = useNavigate()
  useEffect(() => {
    let afterG = 0
    const press = (event: KeyboardEvent): void => {
      const target = event.target as HTMLElement
      if (target.closest('input, textarea, select, [contenteditable]') !== null || event.ctrlKey || event.metaKey || event.altKey) return
      if (event.key === '?') showHelp()
      else if (event.key === '/') {
        event.preventDefault()
        void navigate(urls.mirrors)
      } else if (event.key === 'g') afterG = event.timeStamp
      else if (event.timeStamp - afterG < 1500) {
        const page = PAGES.find(one => one.key === event.key)
        if (page !== undefined) void navigate(page.to)
        afterG = 0
      }
    }
    window.addEventListener('keydown', press)
    return () => window.removeEventListener('keydown', press)
  }, [navigate, showHelp])
}
