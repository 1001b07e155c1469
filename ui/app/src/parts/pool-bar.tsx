import { useEffect, useRef, type ReactNode } from 'react'
import type { Pool } from '../api.ts'

const PARTS = ['new', 'old', 'draining'] as const

/** Desired and actual as one bar: what is there, the hatched rest that is missing, and a mark where declared ends when there is more. */
export function PoolBar({ pool }: { pool: Pick<Pool, 'counts' | 'target' | 'document'> }): ReactNode {
  const { counts } = pool
  const bar = useRef<HTMLDivElement>(null)
  const size = pool.target === null ? pool.document.spec.size : counts.size
  const whole = Math.max(1, size, counts.new + counts.old + counts.draining)
  // Set by the CSSOM: the policy allows no style attributes in markup.
  useEffect(() => {
    for (const part of bar.current?.querySelectorAll<HTMLElement>('i') ?? []) part.style.width = `${(100 * counts[part.dataset['part'] as (typeof PARTS)[number]]) / whole}%`
    const mark = bar.current?.querySelector<HTMLElement>('b')
    if (mark !== null && mark !== undefined) mark.style.left = `calc(${(100 * size) / whole}% - 1px)`
  })
  const words = [
    `${counts.ready} of ${size} ready`,
    ...(counts.old + counts.draining === 0 ? [] : [`${counts.new} new`]),
    ...(counts.old === 0 ? [] : [`${counts.old} old`]),
    ...(counts.draining === 0 ? [] : [`${counts.draining} draining`]),
  ].join(' · ')
  return (
    <div>
      <div ref={bar} className="bar" role="img" aria-label={words}>
        {PARTS.map(part => <i key={part} data-part={part} />)}
        {whole > size && size > 0 ? <b /> : null}
      </div>
      <div className="bar-words">{words}</div>
    </div>
  )
}
