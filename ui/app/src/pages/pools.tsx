import { Anchor, Table } from '@mantine/core'
import type { ReactNode } from 'react'
import { Link } from 'react-router'
import { answerOf, api } from '../api.ts'
import { Digest, Empty, FaultBox, StateBadge } from '../parts/facts.tsx'
import { PoolBar } from '../parts/pool-bar.tsx'
import { urls } from '../urls.ts'
import { useAnswer } from '../use-answer.ts'

export function PoolsPage(): ReactNode {
  const { data, fault } = useAnswer(() => answerOf(api.GET('/api/v1/pools')), 'pools')
  return (
    <>
      <h1>Pools</h1>
      <p className="question">Are the fleets as declared?</p>
      <FaultBox fault={fault} />
      {data?.length === 0 ? (
        <Empty title="No pool yet" command="drydock pool create pool.yaml -m 'first pool'">Keep the pool's file in git; this makes revision 1 of it, and nothing runs until it is applied.</Empty>
      ) : (
        <Table highlightOnHover>
          <Table.Thead>
            <Table.Tr>{['Pool', 'State', 'Nodes', 'Revision', 'Roles', 'Image', 'CI'].map(name => <Table.Th key={name}>{name}</Table.Th>)}</Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {data?.map(pool => (
              <Table.Tr key={pool.name}>
                <Table.Td><Anchor component={Link} to={urls.pool(pool.name)}>{pool.name}</Anchor></Table.Td>
                <Table.Td><StateBadge state={pool.state} /></Table.Td>
                <Table.Td><PoolBar counts={pool.counts} /></Table.Td>
                <Table.Td>{pool.target ?? 'none'}{pool.head === pool.target ? '' : ` (${pool.head} not applied)`}</Table.Td>
                <Table.Td>{pool.document.spec.roles.join(', ')}</Table.Td>
                <Table.Td><Digest value={pool.image} /></Table.Td>
                <Table.Td>{pool.document.spec.ci.connection}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
    </>
  )
}
