import type { ReactNode } from 'react'

/** Drawn here: a glyph that a machine's fonts lack would be an empty box. 16 × 16, stroked in the colour of the text. */
const PATHS = {
  copy: 'M6 6h7v7H6z M3.5 10V3.5H10',
  done: 'M3 8.5l3.2 3.2L13 5',
  menu: 'M2 4.5h12 M2 8h12 M2 11.5h12',
  scheme: 'M8 2a6 6 0 1 0 0 12A6 6 0 1 0 8 2z M8 2v12 M11 4v8 M9.6 3v10',
  help: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12z M6.2 6.3a1.9 1.9 0 1 1 2.6 1.8c-.6.3-.8.6-.8 1.2 M8 11.4v.2',
} as const

export function Icon({ name }: { name: keyof typeof PATHS }): ReactNode {
  return (
    <svg viewBox="0 0 16 16" width="16" height="16" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  )
}
