import { Anchor, Stack, Table, Text } from '@mantine/core'
import type { ReactNode } from 'react'
import { Link } from 'react-router'
import { answerOf, api } from '../api.ts'
import { Empty, FaultBox, StateBadge } from '../parts/facts.tsx'
import { PoolBar } from '../parts/pool-bar.tsx'
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
    <>
      <h1>Home</h1>
      <p className="question">What needs me?</p>
      <FaultBox fault={home.fault ?? pools.fault} />
      {home.data === undefined ? null : home.data.waiting.length === 0 ? (
        <Text className="panel">Nothing waits for a person.</Text>
      ) : (
        <Stack gap="xs">
          {home.data.waiting.map(one => (
            <div key={one.subject + one.text} className="panel">
              <Anchor component={Link} to={one.href} fw={600}>{plain(one.text)}</Anchor>
              <Text size="sm" c="dimmed">do: {plain(one.hint)}</Text>
            </div>
          ))}
        </Stack>
      )}
      <h2>Pools</h2>
      {pools.data?.length === 0 ? (
        <Empty title="No pool yet" command="drydock pool create pool.yaml -m 'first pool'">A pool says how many runners there are and what is in them. Import a bundle first, so that there is something to build them from.</Empty>
      ) : (
        <Table>
          <Table.Tbody>
            {pools.data?.map(pool => (
              <Table.Tr key={pool.name}>
                <Table.Td><Anchor component={Link} to={urls.pool(pool.name)}>{pool.name}</Anchor></Table.Td>
                <Table.Td><StateBadge state={pool.state} /></Table.Td>
                <Table.Td><PoolBar counts={pool.counts} /></Table.Td>
                <Table.Td>{pool.counts.ready} of {pool.counts.size} ready</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
      <h2>Lately</h2>
      <Timeline events={events.slice(-12)} empty="Nothing has happened yet." />
    </>
  )
}
