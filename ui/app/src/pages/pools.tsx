import { Anchor } from '@mantine/core'
import type { ReactNode } from 'react'
import { Link } from 'react-router'
import { answerOf, api } from '../api.ts'
import { Digest, Empty, FaultBox, StateBadge } from '../parts/facts.tsx'
import { Page, Section } from '../parts/page.tsx'
import { PoolBar } from '../parts/pool-bar.tsx'
import { Rows } from '../parts/rows.tsx'
import { urls } from '../urls.ts'
import { useAnswer } from '../use-answer.ts'

export function PoolsPage(): ReactNode {
  const { data, fault } = useAnswer(() => answerOf(api.GET('/api/v1/pools')), 'pools')
  return (
    <Page title="Pools" question="Are the fleets as declared?">
      <FaultBox fault={fault} />
      {data === undefined ? null : data.length === 0 ? (
        <Empty title="No pool yet" command="drydock pool create pool.yaml -m 'first pool'">Keep the pool's file in git; this makes revision 1 of it, and nothing runs until it is applied.</Empty>
      ) : (
        <Section title={data.length === 1 ? '1 pool' : `${data.length} pools`}>
          <Rows
            label="pools" rows={data} keyOf={pool => pool.name}
            columns={[
              { label: 'Pool', cell: pool => <Anchor component={Link} to={urls.pool(pool.name)} fw={600}>{pool.name}</Anchor>, className: 'fixed' },
              { label: 'State', cell: pool => <StateBadge state={pool.state} /> },
              { label: 'Declared and there', cell: pool => <PoolBar pool={pool} />, className: 'wide' },
              { label: 'Revision', cell: pool => <>{pool.target ?? 'none'}{pool.head === pool.target ? '' : <div className="soft">{pool.head} not applied</div>}</> },
              { label: 'Roles', cell: pool => pool.document.spec.roles.join(', ') },
              { label: 'Image', cell: pool => <Digest value={pool.image} /> },
              { label: 'CI', cell: pool => pool.document.spec.ci.connection },
            ]}
          />
        </Section>
      )}
    </Page>
  )
}
