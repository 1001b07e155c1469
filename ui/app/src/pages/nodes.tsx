import { Anchor, Table } from '@mantine/core'
import type { ReactNode } from 'react'
import { Link } from 'react-router'
import { answerOf, api } from '../api.ts'
import { Digest, Empty, FaultBox, StateBadge } from '../parts/facts.tsx'
import { urls } from '../urls.ts'
import { useAnswer } from '../use-answer.ts'
import { plain } from '../words.ts'

export function NodesPage(): ReactNode {
  const { data, fault } = useAnswer(() => answerOf(api.GET('/api/v1/nodes', { params: { query: {} } })), 'nodes')
  return (
    <>
      <h1>Nodes</h1>
      <p className="question">Is this runner the same as its siblings?</p>
      <FaultBox fault={fault} />
      {data?.length === 0 ? <Empty title="No node yet" command="drydock pool apply NAME">Nodes come from pools: apply one.</Empty> : (
        <Table>
          <Table.Thead><Table.Tr>{['Node', 'Pool', 'Phase', 'Revision', 'Image', 'Jobs', 'Waits for'].map(name => <Table.Th key={name}>{name}</Table.Th>)}</Table.Tr></Table.Thead>
          <Table.Tbody>
            {data?.map(node => (
              <Table.Tr key={node.name}>
                <Table.Td><Anchor component={Link} to={urls.node(node.name)}>{node.name}</Anchor></Table.Td>
                <Table.Td><Anchor component={Link} to={urls.pool(node.pool)}>{node.pool}</Anchor></Table.Td>
                <Table.Td><StateBadge state={node.phase} /></Table.Td>
                <Table.Td>{node.revision}</Table.Td>
                <Table.Td><Digest value={node.image} /></Table.Td>
                <Table.Td>{node.jobs.map(plain).join(', ') || 'idle'}</Table.Td>
                <Table.Td>{node.waitsFor === null ? '' : plain(node.waitsFor)}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
    </>
  )
}
