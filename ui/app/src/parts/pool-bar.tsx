import { Text } from '@mantine/core'
import { useEffect, useRef, type ReactNode } from 'react'
import type { Pool } from '../api.ts'

const PARTS = ['ready', 'draining', 'old'] as const

/** Desired and actual as one bar. Widths are set by the CSSOM: the policy allows no style attributes in markup. */
export function PoolBar({ counts }: { counts: Pool['counts'] }): ReactNode {
  const bar = useRef<HTMLDivElement>(null)
  const whole = Math.max(1, counts.size, counts.ready + counts.old + counts.draining)
  const shown = { ready: counts.ready, draining: counts.draining, old: Math.max(0, counts.old - counts.draining) }
  useEffect(() => {
    for (const part of bar.current?.querySelectorAll<HTMLElement>('i') ?? []) {
      part.style.width = `${(100 * shown[part.dataset['part'] as (typeof PARTS)[number]]) / whole}%`
    }
  })
  const words = `${counts.ready} of ${counts.size} ready · ${counts.new} new · ${counts.draining} draining · ${counts.old} old`
  return (
    <div>
      <div ref={bar} className="bar" role="img" aria-label={words}>
        {PARTS.map(part => <i key={part} data-part={part} />)}
      </div>
      <Text size="xs" c="dimmed">{words}</Text>
    </div>
  )
}
