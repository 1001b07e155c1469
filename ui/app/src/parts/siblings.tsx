import { NativeSelect } from '@mantine/core'
import { useState, type ReactNode } from 'react'
import { answerOf, api, type Node } from '../api.ts'
import { useAnswer } from '../use-answer.ts'
import { plain } from '../words.ts'
import { Command, FaultBox } from './facts.tsx'
import { Section } from './page.tsx'
import { Rows } from './rows.tsx'

/** What differs between this node and another of its pool, as each measured itself; first the ones of its own revision. */
export function Siblings({ node }: { node: Node }): ReactNode {
  const [chosen, setChosen] = useState<string | null>(null)
  const { data } = useAnswer(() => answerOf(api.GET('/api/v1/nodes', { params: { query: { pool: node.pool } } })), `siblings ${node.pool}`, { keep: true })
  const others = (data ?? []).filter(other => other.name !== node.name && other.heartbeatAt !== null).toSorted((a, b) => Number(b.revision === node.revision) - Number(a.revision === node.revision))
  const sibling = others.find(other => other.name === chosen) ?? others[0]
  if (sibling === undefined) return data === undefined ? null : <Section title="Siblings"><p>No other node of {node.pool} has measured itself yet.</p></Section>
  return (
    <Section title="Siblings" note={`${others.length} to compare with`}>
      <NativeSelect className="choose" size="xs" label="Compare with" value={sibling.name} onChange={event => setChosen(event.currentTarget.value)} data={others.slice(0, 200).map(other => ({ value: other.name, label: other.revision === node.revision ? other.name : `${other.name} (revision ${other.revision})` }))} />
      <Difference key={sibling.name} a={node.name} b={sibling.name} />
    </Section>
  )
}

function Difference({ a, b }: { a: string; b: string }): ReactNode {
  const { data, fault } = useAnswer(() => answerOf(api.GET('/api/v1/nodes/diff', { params: { query: { a, b } } })), `node diff ${a} ${b}`, { concerns: () => false })
  return (
    <>
      <FaultBox fault={fault} />
      {data === undefined ? null : data.differences.length === 0 ? <p><b>The same.</b> Image, layers, packages, environment and checks of {a} and {b} do not differ.</p> : (
        <Rows
          label="differences" rows={data.differences} keyOf={row => row.fact}
          columns={[{ label: 'What', cell: row => plain(row.fact) }, { label: a, cell: row => <span className="mono">{row.a === null ? '–' : plain(row.a)}</span> }, { label: b, cell: row => <span className="mono">{row.b === null ? '–' : plain(row.b)}</span> }]}
        />
      )}
      <Command line={`drydock node diff ${a} ${b}`} />
    </>
  )
}
