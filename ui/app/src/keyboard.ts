import { useEffect, useRef } from 'react'
import { useNavigate } from 'react-router'
import { urls } from './urls.ts'

/** The pages, their key after `g`, and the question each answers. */
export const PAGES = [
  { key: 'h', to: urls.home, label: 'Home', question: 'what needs me?' },
  { key: 'i', to: urls.imports, label: 'Imports', question: 'what came in, may it pass?' },
  { key: 'm', to: urls.mirrors, label: 'Mirrors', question: 'what do we have?' },
  { key: 'b', to: urls.images, label: 'Images', question: 'what do the runners run?' },
  { key: 'p', to: urls.pools, label: 'Pools', question: 'are the fleets as declared?' },
  { key: 'n', to: urls.nodes, label: 'Nodes', question: 'is this runner the same as its siblings?' },
  { key: 'e', to: urls.events, label: 'Events', question: 'what happened, who did it?' },
] as const

const CHORD_MS = 1500

/** `g` and a letter goes to a page, `/` searches, `?` helps; never while somebody writes. */
export function useKeyboard(showHelp: () => void): void {
  const navigate = useNavigate()
  const help = useRef(showHelp)
  help.current = showHelp
  useEffect(() => {
    let afterG = -CHORD_MS
    const press = (event: KeyboardEvent): void => {
      const target = event.target as HTMLElement
      if (target.closest('input, textarea, select, [contenteditable], [role=dialog]') !== null || event.ctrlKey || event.metaKey || event.altKey) return
      if (event.key === '?') help.current()
      else if (event.key === '/') {
        event.preventDefault()
        void navigate(urls.mirrors)
      } else if (event.key === 'g') afterG = event.timeStamp
      else if (event.timeStamp - afterG < CHORD_MS) {
        const page = PAGES.find(one => one.key === event.key)
        if (page !== undefined) void navigate(page.to)
        afterG = -CHORD_MS
      }
    }
    window.addEventListener('keydown', press)
    return () => window.removeEventListener('keydown', press)
  }, [navigate])
}
