import { Badge, TextInput } from '@mantine/core'
import { useState, type ReactNode } from 'react'
import type { Preflight } from '../api.ts'
import { bytes, duration, plain, since } from '../words.ts'
import { At, Digest, Fact, Facts, StateBadge } from './facts.tsx'
import { Section } from './page.tsx'
import { Rows } from './rows.tsx'

const WEIGHT = { blocker: 0, warning: 1, note: 2 } as const satisfies Record<Preflight['findings'][number]['severity'], number>

/** What the bundle is and would do; what speaks against it comes first. */
export function PreflightSections({ preflight, scanned }: { preflight: Preflight; scanned: boolean }): ReactNode {
  const { findings } = preflight
  return (
    <>
      <Section title="Findings" note={scanned ? 'computed from the bytes' : 'before any byte was read'}>
        {findings.length === 0 ? <p>{scanned ? 'None.' : 'None so far. Scripts and contents are looked at when it is taken in.'}</p> : (
          <Rows
            label="findings" rows={findings.toSorted((a, b) => WEIGHT[a.severity] - WEIGHT[b.severity])} keyOf={one => one.code + one.item + one.text}
            columns={[
              { label: 'Weight', cell: one => <StateBadge state={one.severity} /> },
              { label: 'Item', cell: one => plain(one.item) },
              { label: 'What', cell: one => <>{plain(one.text)}{one.claimed ? <div><Badge variant="default" tt="none" className="state">claimed</Badge> <span className="soft">by the sender; checked again before approval</span></div> : null}</>, className: 'wide' },
              { label: 'Code', cell: one => <span className="mono">{one.code}</span> },
            ]}
          />
        )}
      </Section>
      <Section title="Signed by" note={`${preflight.signers.length} of ${preflight.threshold} needed, role ${preflight.role}`}>
        <Rows
          label="signers" rows={preflight.signers} keyOf={signer => signer.fingerprint}
          columns={[
            { label: 'Name', cell: signer => <b>{plain(signer.name)}</b> },
            { label: 'Key', cell: signer => <span className="mono" title={signer.fingerprint}>{signer.fingerprint.slice(0, 4)}…{signer.fingerprint.slice(-4)}</span> },
            { label: 'Age of the key', cell: signer => <span title={signer.keyCreated}>{since(signer.keyCreated, new Date())}</span> },
          ]}
        />
      </Section>
      <Section title="What it would do">
        <Facts>
          <Fact name="Adds">{preflight.adds.map(add => `${add.kind} ${add.count}`).join(' · ') || 'nothing'}</Fact>
          <Fact name="Changes">{preflight.changes.length === 0 ? 'nothing' : `${preflight.changes.length} ${preflight.changes.length === 1 ? 'item' : 'items'}, see below`}</Fact>
          <Fact name="Removes">nothing (removal is by garbage collection)</Fact>
          <Fact name="Affects">{preflight.affects.map(plain).join('; ') || 'no pool until one is applied'}</Fact>
          <Fact name="Bytes">{bytes(preflight.newBytes)} new, {bytes(preflight.presentBytes)} already here</Fact>
          <Fact name="Needs">about {duration(preflight.seconds)}, {bytes(preflight.newBytes)} of {bytes(preflight.freeBytes)} free</Fact>
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
