import { Anchor, TextInput } from '@mantine/core'
import { useState, type ReactNode } from 'react'
import { Link } from 'react-router'
import { answerOf, api } from '../api.ts'
import { Digest, Empty, FaultBox, StateBadge } from '../parts/facts.tsx'
import { Page, Section } from '../parts/page.tsx'
import { Rows } from '../parts/rows.tsx'
import { urls } from '../urls.ts'
import { useAnswer } from '../use-answer.ts'
import { plain } from '../words.ts'

export function NodesPage(): ReactNode {
  const { data, fault } = useAnswer(() => answerOf(api.GET('/api/v1/nodes', { params: { query: {} } })), 'nodes')
  const [words, setWords] = useState('')
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean)
  const found = (data ?? []).filter(node => {
    const text = `${node.name} ${node.pool} ${node.phase} ${node.hypervisor} ${node.jobs.join(' ')} ${node.waitsFor ?? ''}`.toLowerCase()
    return wanted.every(word => text.includes(word))
  })
  return (
    <Page title="Nodes" question="Is this runner the same as its siblings?">
      <FaultBox fault={fault} />
      {data === undefined ? null : data.length === 0 ? <Empty title="No node yet" command="drydock pool apply NAME">Nodes come from pools: apply one.</Empty> : (
        <>
          <TextInput label="Filter" placeholder="linux-demo draining" value={words} onChange={event => setWords(event.currentTarget.value)} />
          <Section title="Runners" note={wanted.length === 0 ? `${data.length}` : `${found.length} of ${data.length}`}>
            <Rows
              label="nodes" rows={found} keyOf={node => node.name}
              columns={[
                { label: 'Node', cell: node => <Anchor component={Link} to={urls.node(node.name)} fw={600}>{node.name}</Anchor>, className: 'fixed' },
                { label: 'Phase', cell: node => <StateBadge state={node.phase} /> },
                { label: 'Pool', cell: node => <><Anchor component={Link} to={urls.pool(node.pool)}>{node.pool}</Anchor> <span className="soft">r{node.revision}</span></> },
                { label: 'Jobs', cell: node => node.jobs.map(plain).join(', ') || <span className="soft">idle</span> },
                { label: 'Waits for', cell: node => (node.waitsFor === null ? null : plain(node.waitsFor)) },
                { label: 'Hypervisor', cell: node => node.hypervisor },
                { label: 'Image', cell: node => <Digest value={node.image} /> },
              ]}
            />
          </Section>
        </>
      )}
    </Page>
  )
}
