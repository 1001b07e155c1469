import { Anchor } from '@mantine/core'
import type { ReactNode } from 'react'
import { Link } from 'react-router'
import type { Preflight } from '../api.ts'
import { urls } from '../urls.ts'
import { plain, shortDigest } from '../words.ts'
import { At, Fact, Facts, StateBadge } from './facts.tsx'
import { Section } from './page.tsx'
import { Rows } from './rows.tsx'

type Trust = NonNullable<Preflight['trust']>
type Recall = NonNullable<Preflight['recall']>

const key = (fingerprint: string): ReactNode => <span className="mono" title={fingerprint}>{fingerprint.slice(0, 4)}…{fingerprint.slice(-4)}</span>

/** What a trust bundle would change. */
export function TrustChange({ change }: { change: Trust }): ReactNode {
  return (
    <Section title="Whose signatures are believed" note={`version ${change.from} becomes ${change.to}`}>
      {change.keys.length === 0 ? <p>No key comes or goes.</p> : (
        <Rows
          label="keys that change" rows={change.keys} keyOf={one => one.fingerprint + one.change}
          columns={[{ label: 'Change', cell: one => <StateBadge state={one.change} /> }, { label: 'Name', cell: one => <b>{plain(one.name)}</b> }, { label: 'Key', cell: one => key(one.fingerprint) }]}
        />
      )}
      {change.roles.length === 0 ? null : (
        <Rows
          label="roles that change" rows={change.roles} keyOf={one => one.role}
          columns={[
            { label: 'Role', cell: one => <b>{one.role}</b> },
            { label: 'Signatures needed', cell: one => (one.threshold.from === one.threshold.to ? one.threshold.to : <b>{one.threshold.from} → {one.threshold.to}</b>) },
            { label: 'Gains', cell: one => one.added.map(holder => plain(holder.name)).join(', ') || 'nobody' },
            { label: 'Loses', cell: one => one.removed.map(holder => plain(holder.name)).join(', ') || 'nobody' },
          ]}
        />
      )}
      <p className="soft">{change.signedByNew.length === 0 ? 'No root key of the new trust has signed it too.' : `Root keys of the new trust that have signed it too: ${change.signedByNew.map(holder => plain(holder.name)).join(', ')}`}</p>
    </Section>
  )
}

const PLACES: Record<Recall['hits'][number]['kind'], ((name: string) => string) | undefined> = { pool: urls.pool, node: urls.node, item: undefined, image: undefined }

/** What a recall withdraws, and what of it is here. */
export function RecallEffect({ effect }: { effect: Recall }): ReactNode {
  return (
    <>
      {effect.recalls.map(recall => (
        <Section key={recall.id} title={`${recall.action === 'lift' ? 'Lifts' : 'Withdraws'} ${plain(recall.id)}`} note={recall.action === 'lift' ? null : `severity ${recall.severity}`}>
          <p>{plain(recall.reason)}</p>
          <Facts>
            <Fact name="Items">{recall.items.length === 0 ? 'none by name' : <ul className="plain">{recall.items.slice(0, 40).map(one => <li key={one}>{plain(one)}</li>)}{recall.items.length > 40 ? <li>and {recall.items.length - 40} more</li> : null}</ul>}</Fact>
            <Fact name="Digests">{recall.digests.length === 0 ? 'none' : <span title={recall.digests.slice(0, 20).join('\n')}>{recall.digests.length === 1 ? shortDigest(recall.digests[0] ?? '') : recall.digests.length}</span>}</Fact>
            <Fact name="Instead">{recall.replacement === undefined ? 'nothing is named' : plain(recall.replacement)}</Fact>
            <Fact name="Dated"><At iso={recall.date} /></Fact>
          </Facts>
        </Section>
      ))}
      <Section title="What it hits here" note={effect.hits.length === 0 ? undefined : `${effect.hits.length}`}>
        {effect.hits.length === 0 ? <p>Nothing that is here: no item, no image, no pool, no node.</p> : (
          <Rows
            label="what is hit" rows={effect.hits} keyOf={one => one.recall + one.kind + one.name + one.what}
            columns={[
              { label: 'What', cell: one => one.kind },
              { label: 'Name', cell: one => <Hit kind={one.kind} name={one.name} /> },
              { label: 'Why', cell: one => plain(one.what), className: 'wide' },
              { label: 'Recall', cell: one => plain(one.recall) },
            ]}
          />
        )}
      </Section>
    </>
  )
}

function Hit({ kind, name }: { kind: Recall['hits'][number]['kind']; name: string }): ReactNode {
  const to = PLACES[kind]?.(name)
  return to === undefined ? plain(kind === 'image' ? shortDigest(name) : name) : <Anchor component={Link} to={to} fw={600}>{plain(name)}</Anchor>
}
