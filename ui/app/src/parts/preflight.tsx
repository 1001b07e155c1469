import { Anchor, TextInput } from '@mantine/core'
import { useState, type ReactNode } from 'react'
import { Link } from 'react-router'
import type { Preflight } from '../api.ts'
import { urls } from '../urls.ts'
import { bytes, duration, plain, since } from '../words.ts'
import { RecallEffect, TrustChange } from './control.tsx'
import { At, Digest, Fact, Facts } from './facts.tsx'
import { Findings } from './findings.tsx'
import { Section } from './page.tsx'
import { Rows } from './rows.tsx'

/** What the bundle is and would do; what speaks against it comes first. */
export function PreflightSections({ preflight, scanned, scans }: { preflight: Preflight; scanned: boolean; scans: ReactNode }): ReactNode {
  const { findings } = preflight
  return (
    <>
      {preflight.trust === undefined ? null : <TrustChange change={preflight.trust} />}
      {preflight.recall === undefined ? null : <RecallEffect effect={preflight.recall} />}
      {preflight.control === undefined || findings.length > 0 ? <Findings findings={findings} scanned={scanned} /> : null}
      {scans}
      <Section title="Signed by" note={`${preflight.signers.filter(({ counts }) => counts !== false).length} of ${preflight.threshold} needed, role ${preflight.role}`}>
        <Rows
          label="signers" rows={preflight.signers} keyOf={signer => signer.fingerprint}
          columns={[
            { label: 'Name', cell: signer => <><b>{plain(signer.name)}</b>{signer.counts === false ? <span className="soft"> no {preflight.role} key: does not count</span> : null}</> },
            { label: 'Key', cell: signer => <span className="mono" title={signer.fingerprint}>{signer.fingerprint.slice(0, 4)}…{signer.fingerprint.slice(-4)}</span> },
            { label: 'Age of the key', cell: signer => <span title={signer.keyCreated}>{since(signer.keyCreated, new Date())}</span> },
          ]}
        />
      </Section>
      <Section title={preflight.control === undefined ? 'What it would do' : 'Where it comes from'}>
        <Facts>
          {preflight.control === undefined ? <Content preflight={preflight} /> : null}
          <Fact name="Sequence">{preflight.sequence} (last here: {preflight.lastSequence === 0 ? 'none' : preflight.lastSequence})</Fact>
          <Fact name="Made"><At iso={preflight.created} /> for {plain(preflight.site)}</Fact>
          <Fact name="Volumes">{preflight.volumes}, {bytes(preflight.size)}</Fact>
          <Fact name="Manifest"><Digest value={preflight.manifest} /></Fact>
        </Facts>
      </Section>
      {preflight.changes.length === 0 ? null : <Changes changes={preflight.changes} />}
    </>
  )
}

/** Of a bundle that brings content. */
function Content({ preflight }: { preflight: Preflight }): ReactNode {
  return (
    <>
      <Fact name="Adds">{preflight.adds.map(add => `${add.kind} ${add.count}`).join(' · ') || 'nothing'}</Fact>
      <Fact name="Changes">{preflight.changes.length === 0 ? 'nothing' : `${preflight.changes.length} ${preflight.changes.length === 1 ? 'item' : 'items'}, see below`}</Fact>
      <Fact name="Removes">nothing (removal is by garbage collection)</Fact>
      <Fact name="Affects">no pool until one is applied{preflight.affects.length === 0 ? null : <ul className="plain">{preflight.affects.map(text => <li key={text}><Affected text={text} /></li>)}</ul>}</Fact>
      <Fact name="Bytes">{bytes(preflight.newBytes)} new, {bytes(preflight.presentBytes)} already here</Fact>
      <Fact name="Needs">about {duration(preflight.seconds)}, {bytes(preflight.newBytes)} of {bytes(preflight.freeBytes)} free</Fact>
    </>
  )
}

/** `linux-perf-ci can move to numpy-1.26.4`, with the pool as a link. */
function Affected({ text }: { text: string }): ReactNode {
  const [, pool, rest] = /^([a-z0-9-]+)( can move .*)$/.exec(text) ?? []
  return pool === undefined ? plain(text) : <><Anchor component={Link} to={urls.pool(pool)}>{pool}</Anchor>{plain(rest ?? '')}</>
}

function Changes({ changes }: { changes: Preflight['changes'] }): ReactNode {
  const [words, setWords] = useState('')
  const found = changes.filter(change => `${change.kind} ${change.name}`.toLowerCase().includes(words.toLowerCase()))
  return (
    <Section title="Changes" note={words === '' ? `${changes.length}` : `${found.length} of ${changes.length}`}>
      {changes.length < 10 ? null : <TextInput size="xs" label="Find" placeholder="numpy" value={words} onChange={event => setWords(event.currentTarget.value)} mb="sm" />}
      <Rows
        label="changes" rows={found} keyOf={change => `${change.kind} ${change.name} ${change.to}`}
        columns={[{ label: 'Kind', cell: change => change.kind }, { label: 'Name', cell: change => plain(change.name) }, { label: 'Now', cell: change => plain(change.from) }, { label: 'Then', cell: change => plain(change.to) }]}
      />
    </Section>
  )
}
