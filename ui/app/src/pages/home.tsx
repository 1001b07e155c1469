import { Anchor, Button } from '@mantine/core'
import type { ReactNode } from 'react'
import { Link } from 'react-router'
import { answerOf, api } from '../api.ts'
import { At, Command, Empty, FaultBox, StateBadge } from '../parts/facts.tsx'
import { Page, Section } from '../parts/page.tsx'
import { PoolBar } from '../parts/pool-bar.tsx'
import { Rows } from '../parts/rows.tsx'
import { Timeline } from '../parts/timeline.tsx'
import { useLive } from '../live-events.tsx'
import { urls } from '../urls.ts'
import { useAnswer } from '../use-answer.ts'
import { plain } from '../words.ts'

export function HomePage(): ReactNode {
  const home = useAnswer(() => answerOf(api.GET('/api/v1/home')), 'home')
  const pools = useAnswer(() => answerOf(api.GET('/api/v1/pools')), 'pools')
  const { events } = useLive()
  return (
    <Page title="Home" question="What needs me?">
      <FaultBox fault={home.fault ?? pools.fault} />
      <WaitingList rows={home.data?.waiting} />
      {pools.data?.length === 0 ? (
        <Empty title="No pool yet" command="drydock pool create pool.yaml -m 'first pool'">A pool says how many runners there are and what is in them. Import a bundle first, so that there is something to build them from.</Empty>
      ) : (
        <Section title="Pools">
          <Rows
            label="pools" rows={pools.data ?? []} keyOf={pool => pool.name}
            columns={[
              { label: 'Pool', cell: pool => <Anchor component={Link} to={urls.pool(pool.name)} fw={600}>{pool.name}</Anchor> },
              { label: 'State', cell: pool => <StateBadge state={pool.state} /> },
              { label: 'Declared and there', cell: pool => <PoolBar pool={pool} />, className: 'wide' },
              { label: 'Roles', cell: pool => pool.document.spec.roles.join(', ') },
            ]}
          />
        </Section>
      )}
      <Section title="Lately" note={<Anchor component={Link} to={urls.events} size="xs">all events</Anchor>}>
        <Timeline events={events.slice(-12)} empty="Nothing has happened yet." />
      </Section>
    </Page>
  )
}

type Waiting = { subject: string; text: string; hint: string; href: string; since: string | null }

function WaitingList({ rows }: { rows: readonly Waiting[] | undefined }): ReactNode {
  if (rows === undefined) return null
  if (rows.length === 0) return <section className="card calm" aria-label="what waits"><b>Nothing waits for a person.</b></section>
  return rows.map(one => (
    <section key={one.subject + one.text} className="card waiting" aria-label={plain(one.text)}>
      <div>
        <p><b>{plain(one.text)}</b></p>
        <div className="soft">{one.hint.startsWith('drydock ') ? <Command line={one.hint} /> : `do: ${plain(one.hint)}`}{one.since === null ? '' : <> since <At iso={one.since} /></>}</div>
      </div>
      <Button component={Link} to={one.href} size="xs">{one.subject.startsWith('import:') ? 'Look and decide' : 'Look at it'}</Button>
    </section>
  ))
}
