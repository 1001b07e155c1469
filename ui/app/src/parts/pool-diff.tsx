import { Text } from '@mantine/core'
import type { ReactNode } from 'react'
import { answerOf, api, type Pool, type PoolDiff } from '../api.ts'
import { useAnswer } from '../use-answer.ts'
import { Command, FaultBox } from './facts.tsx'
import { Section } from './page.tsx'
import { Rows } from './rows.tsx'

/** What applying the head would change. Asked for once: the appliance resolves the whole revision for it. */
export function NotApplied({ pool }: { pool: Pool }): ReactNode {
  const { data, fault } = useAnswer(() => answerOf(api.GET('/api/v1/pools/{name}/diff', { params: { path: { name: pool.name } } })), `diff ${pool.name}`, { concerns: () => false, everyMs: null })
  return (
    <Section title={`Revision ${pool.head} is not applied`} note={data === undefined ? 'looking what it changes …' : inShort(data)}>
      <FaultBox fault={fault} />
      {data === undefined ? null : <Difference diff={data} />}
      <Text size="sm" mt="sm" component="div"><Command line={`drydock pool apply ${pool.name}`} /></Text>
    </Section>
  )
}

export function inShort(diff: PoolDiff): string {
  return `replaces ${diff.nodesToReplace} ${diff.nodesToReplace === 1 ? 'node' : 'nodes'}`
}

function Difference({ diff }: { diff: PoolDiff }): ReactNode {
  const layers = (state: 'same' | 'new' | 'removed'): string => diff.layers.filter(layer => layer.state === state).map(layer => layer.name).join(', ')
  const rows = [
    ...diff.fields.map(one => ({ what: one.field, from: asText(one.from), to: asText(one.to) })),
    ...diff.packages.map(one => ({ what: one.name, from: one.from ?? '–', to: one.to ?? '–' })),
  ]
  return (
    <>
      <p>
        {diff.roles.length === 0 ? 'The roles are the same.' : <b>{diff.roles.join(', ')}</b>}
        {layers('same') === '' ? '' : ` Layers that stay: ${layers('same')}.`}{layers('new') === '' ? '' : ` New layers: ${layers('new')}.`}{layers('removed') === '' ? '' : ` Layers that go: ${layers('removed')}.`}
      </p>
      {rows.length === 0 ? null : (
        <Rows label="what changes" rows={rows} keyOf={row => row.what} columns={[{ label: 'What', cell: row => row.what }, { label: 'Now', cell: row => row.from }, { label: 'Then', cell: row => row.to }]} />
      )}
    </>
  )
}

function asText(value: unknown): string {
  if (value === null || value === undefined) return '–'
  return typeof value === 'object' ? JSON.stringify(value) : String(value as string | number | boolean)
}
