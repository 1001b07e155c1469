import type { ReactNode } from 'react'
import type { Pool, PoolRevision } from '../api.ts'
import { plain } from '../words.ts'
import { At, Digest, StateBadge } from './facts.tsx'
import { RollBack } from './pool-actions.tsx'
import { Rows } from './rows.tsx'

/** Every revision, newest first, with what it changed and the way back to it. */
export function PoolHistory({ revisions, pool }: { revisions: readonly PoolRevision[]; pool: Pool }): ReactNode {
  return (
    <Rows
      label="history" rows={revisions.toReversed()} keyOf={one => one.revision}
      columns={[
        { label: 'Revision', cell: one => <><b>{one.revision}</b>{one.revision === pool.target ? ' target' : ''}{one.rollbackOf === undefined ? '' : <div className="soft">is {one.rollbackOf} again</div>}</> },
        { label: 'Change', cell: one => <>{plain(one.change)}{one.message === '' ? '' : <div className="soft">“{plain(one.message)}”</div>}</>, className: 'wide' },
        { label: 'Who and when', cell: one => <>{plain(one.author)}<div className="soft"><At iso={one.at} /></div></> },
        { label: 'Image', cell: one => <Digest value={one.image ?? null} /> },
        { label: 'Outcome', cell: one => <>{one.outcome === undefined ? <StateBadge state="not-applied" /> : <StateBadge state={one.outcome} />}{one.failure === undefined ? '' : <div className="soft">{plain(one.failure)}</div>}</> },
        { label: 'Roll back', cell: one => (one.image === undefined || one.revision === pool.target || one.outcome === 'failed' ? null : <RollBack pool={pool} to={one.revision} label={`to ${one.revision}`} />) },
      ]}
    />
  )
}
