import { Anchor, TextInput } from '@mantine/core'
import { useEffect, useState, type ReactNode } from 'react'
import { answerOf, api } from '../api.ts'
import { At, Command, Digest, Empty, FaultBox, StateBadge } from '../parts/facts.tsx'
import { Page, Section } from '../parts/page.tsx'
import { Rows } from '../parts/rows.tsx'
import { useAnswer } from '../use-answer.ts'
import { bytes, plain } from '../words.ts'

const TYPING_MS = 250
/** What the appliance answers at most when nothing is said. */
const FOUND = 100

export function MirrorsPage(): ReactNode {
  const [words, setWords] = useState('')
  const [query, setQuery] = useState('')
  useEffect(() => {
    const timer = setTimeout(() => setQuery(words), TYPING_MS)
    return () => clearTimeout(timer)
  }, [words])
  const promoted = { concerns: (event: { type: string }) => event.type === 'import.promoted', keep: true, everyMs: null }
  const found = useAnswer(() => answerOf(api.GET('/api/v1/mirrors/search', { params: { query: { q: query } } })), `search ${query}`, promoted)
  const generations = useAnswer(() => answerOf(api.GET('/api/v1/generations')), 'generations', promoted)
  return (
    <Page title="Mirrors" question="What do we have?">
      <FaultBox fault={found.fault ?? generations.fault} />
      <TextInput label="Search all kinds" placeholder="numpy" value={words} onChange={event => setWords(event.currentTarget.value)} autoFocus />
      {found.data === undefined ? null : found.data.length === 0 && query === '' ? (
        <Empty title="Nothing imported yet" command="drydock import run /media/STICK/site-a-0001.v1-of-1.drydock">Mirrors are filled by signed bundles only.</Empty>
      ) : (
        <Section title="What is served" note={found.data.length >= FOUND ? `the first ${FOUND}; search for more` : `${found.data.length} found`}>
          {found.data.length === 0 ? <p>Nothing holds all of “{plain(query)}”.</p> : (
            <Rows
              label="items" rows={found.data} keyOf={item => `${item.kind} ${item.name} ${item.version} ${item.variant}`}
              columns={[
                { label: 'Kind', cell: item => item.kind },
                { label: 'Name', cell: item => <b>{plain(item.name)}</b> },
                { label: 'Version', cell: item => <>{plain(item.version)}{item.variant === null ? '' : <span className="soft"> {plain(item.variant)}</span>}</> },
                { label: 'Size', cell: item => bytes(item.size), className: 'numbers' },
                { label: 'Digest', cell: item => <><Digest value={item.digests[0] ?? null} />{item.digests.length > 1 ? <span className="soft"> and {item.digests.length - 1} more</span> : ''}</> },
              ]}
            />
          )}
        </Section>
      )}
      <Section title="Generations" note="every import makes one; clients see it whole or not at all">
        <Rows
          label="generations" rows={(generations.data ?? []).toReversed()} keyOf={one => one.generation}
          columns={[
            { label: 'Generation', cell: one => <><b>{one.generation}</b> {one.current ? <StateBadge state="served" /> : ''}</> },
            { label: 'Since', cell: one => (one.generation === 0 ? 'the beginning, empty' : <At iso={one.at} />) },
            { label: 'Holds', cell: one => Object.entries(one.counts).map(([kind, count]) => `${kind} ${count}`).join(' · ') || 'nothing' },
          ]}
        />
      </Section>
      <ClientSetUp />
    </Page>
  )
}

function ClientSetUp(): ReactNode {
  const { origin, host } = window.location
  const lines = {
    npm: `npm config set registry ${origin}/npm/ cafile /etc/ssl/drydock-ca.pem`,
    pip: `pip config set global.index-url ${origin}/pypi/simple/`,
    'apt key': `curl --cacert /etc/ssl/drydock-ca.pem -o /etc/apt/keyrings/drydock.asc ${origin}/apt/key.asc`,
    apt: `echo 'deb [signed-by=/etc/apt/keyrings/drydock.asc] ${origin}/apt bookworm main' > /etc/apt/sources.list.d/drydock.list`,
    OCI: `skopeo copy docker://${host}/NAME:TAG dir:image`,
    files: `curl --cacert /etc/ssl/drydock-ca.pem -O ${origin}/files/PATH`,
  }
  return (
    <Section title="Set up a client" note={<>each trusts <Anchor href="/ca.pem" download="drydock-ca.pem" size="xs">this appliance's CA</Anchor></>}>
      <div className="commands">{Object.entries(lines).map(([name, line]) => <div key={name}><b>{name}</b><Command line={line} /></div>)}</div>
    </Section>
  )
}
