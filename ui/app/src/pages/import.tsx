import { Alert, Anchor, Group, Table, Text, TextInput } from '@mantine/core'
import { useState, type ReactNode } from 'react'
import { useParams } from 'react-router'
import { answerOf, api, idempotencyKey, type Import, type Preflight } from '../api.ts'
import { useLive } from '../live-events.tsx'
import { ActionButton } from '../parts/confirm.tsx'
import { At, Digest, Fact, FaultBox, StateBadge } from '../parts/facts.tsx'
import { Timeline } from '../parts/timeline.tsx'
import { useSession } from '../session.ts'
import { useAnswer } from '../use-answer.ts'
import { bytes, duration, plain, since } from '../words.ts'

/** The states a good bundle goes through, in order. */
const WAY = ['found', 'verifying', 'verified', 'staging', 'scanned', 'awaiting-approval', 'promoting', 'imported'] as const

export function ImportPage(): ReactNode {
  const id = useParams()['id'] ?? ''
  const { data, fault } = useAnswer(() => answerOf(api.GET('/api/v1/imports/{id}', { params: { path: { id } } })), `import ${id}`)
  const { events } = useLive()
  if (data === undefined) return <><h1>Import</h1><FaultBox fault={fault} /></>
  return (
    <>
      <Group justify="space-between" align="flex-start">
        <Group gap="sm"><h1>{data.preflight === null ? plain(data.source) : `${data.preflight.stream}, sequence ${data.sequence}`}</h1><StateBadge state={data.state} /></Group>
        <ImportActions record={data} />
      </Group>
      <p className="question">May it pass?</p>
      <Way state={data.state} />
      <FaultBox fault={data.error} />
      {data.reason === null ? null : <Alert color="red" title="Rejected" my="sm">{plain(data.reason)}</Alert>}
      {data.preflight === null ? null : <PreflightPanel preflight={data.preflight} />}
      <h2>Approval</h2>
      <Text size="sm">
        Brought by <b>{plain(data.submittedBy)}</b>. {data.approvals.length} of {data.approvalsNeeded} approvals
        {data.approvals.length === 0 ? '' : `: ${data.approvals.map(one => plain(one.user)).join(', ')}`}. The one who brought it cannot approve it.
      </Text>
      {data.state !== 'imported' ? null : (
        <>
          <h2>Receipt</h2>
          <Text size="sm">
            It is generation {data.generation} of the mirrors. Take the <Anchor href={`/api/v1/imports/${encodeURIComponent(data.id)}/receipt`} download={`receipt-${data.sequence}.json`}>signed receipt</Anchor> to the other side: the next bundle need only hold what is new.
          </Text>
        </>
      )}
      <h2>Time line</h2>
      <Timeline events={events.filter(event => event.operation === data.operation || event.subject === `import:${data.id}`)} empty="No event of this import in the last 500." />
    </>
  )
}

function ImportActions({ record }: { record: Import }): ReactNode {
  const { session, isOperator, isApprover } = useSession()
  const path = { params: { path: { id: record.id } } } as const
  const number = record.sequence ?? record.id
  const ownBundle = record.submittedBy === session.user
  return (
    <Group gap="xs">
      {record.state !== 'verified' ? null : (
        <ActionButton label="Go on" title="Take it in" disabled={!isOperator} explain="Reads the payload, checks every byte and scans it. It enters no mirror before it is approved." command={`drydock import run ${plain(record.source)} --yes`} run={() => answerOf(api.POST('/api/v1/imports/{id}/proceed', path))} />
      )}
      {record.state !== 'awaiting-approval' ? null : (
        <ActionButton label="Approve" title={`Approve sequence ${number}`} disabled={!isApprover || ownBundle} explain={ownBundle ? 'You brought this bundle; somebody else must approve it.' : 'Publishes one new generation of all mirrors at once. No pool changes before it is applied.'} command={`drydock import approve ${number}`} run={() => answerOf(api.POST('/api/v1/imports/{id}/approve', path))} />
      )}
      {record.state !== 'awaiting-approval' && record.state !== 'verified' && record.state !== 'quarantined' ? null : (
        <ActionButton label="Reject" title={`Reject sequence ${number}`} color="red" disabled={!isApprover} explain="What was staged is removed. The bundle can be brought again." ask={{ label: 'Reason', placeholder: 'not what was ordered', required: true }} command={`drydock import reject ${number} --reason '…'`} run={reason => answerOf(api.POST('/api/v1/imports/{id}/reject', { ...path, body: { reason } }))} />
      )}
      {record.state !== 'failed' && record.state !== 'parked' ? null : (
        <ActionButton label="Resume" title="Go on with this import" disabled={!isOperator} explain="Keeps what was verified and reads the rest again." command={`drydock import resume ${number}`} run={() => answerOf(api.POST('/api/v1/imports/{id}/resume', { ...path, headers: idempotencyKey() }))} />
      )}
    </Group>
  )
}

function Way({ state }: { state: Import['state'] }): ReactNode {
  const at = (WAY as readonly string[]).indexOf(state)
  return (
    <ol className="steps" aria-label="states of the import">
      {WAY.map((step, index) => (
        <li key={step} data-now={step === state} data-past={at > index || state === 'imported'} aria-current={step === state ? 'step' : undefined}>
          {step.replaceAll('-', ' ')}
        </li>
      ))}
      {at >= 0 ? null : <li data-now="true" aria-current="step">{state}</li>}
    </ol>
  )
}

function PreflightPanel({ preflight }: { preflight: Preflight }): ReactNode {
  const [words, setWords] = useState('')
  const changes = preflight.changes.filter(change => `${change.kind} ${change.name}`.toLowerCase().includes(words.toLowerCase()))
  return (
    <>
      <h2>Findings</h2>
      {preflight.findings.length === 0 ? <Text size="sm">None.</Text> : (
        <ul>
          {preflight.findings.map(one => (
            <li key={one.code + one.item + one.text}>
              <b>{one.severity}</b> {plain(one.item)}: {plain(one.text)} {one.claimed ? <Text span size="xs" c="dimmed">(claimed by the sender, checked again before approval)</Text> : null}
            </li>
          ))}
        </ul>
      )}
      <h2>Preflight</h2>
      <div className="facts">
        <Fact name={`Signed by (${preflight.threshold} ${preflight.role} needed)`}>
          {preflight.signers.map(signer => <div key={signer.fingerprint}>{plain(signer.name)} <Text span size="xs" c="dimmed" title={signer.fingerprint}>{signer.fingerprint.slice(0, 4)}…{signer.fingerprint.slice(-4)}, key {since(signer.keyCreated, new Date())} old</Text></div>)}
        </Fact>
        <Fact name="Sequence">{preflight.sequence} (last here: {preflight.lastSequence === 0 ? 'none' : preflight.lastSequence})</Fact>
        <Fact name="Made"><At iso={preflight.created} /></Fact>
        <Fact name="For">{preflight.site}</Fact>
        <Fact name="Adds">{preflight.adds.map(add => `${add.kind} ${add.count}`).join(' · ') || 'nothing'}</Fact>
        <Fact name="Size">{bytes(preflight.newBytes)} new, {bytes(preflight.presentBytes)} already here</Fact>
        <Fact name="Needs">about {duration(preflight.seconds)}, {bytes(preflight.newBytes)} of {bytes(preflight.freeBytes)} free</Fact>
        <Fact name="Manifest"><Digest value={preflight.manifest} /></Fact>
        <Fact name="Affects">{preflight.affects.map(plain).join('; ') || 'no pool until one is applied'}</Fact>
      </div>
      {preflight.changes.length === 0 ? null : (
        <>
          <h2>Changes</h2>
          <TextInput size="xs" label="Find" value={words} onChange={event => setWords(event.currentTarget.value)} />
          <Table>
            <Table.Tbody>
              {changes.slice(0, 200).map(change => <Table.Tr key={`${change.kind} ${change.name} ${change.to}`}><Table.Td>{change.kind}</Table.Td><Table.Td>{plain(change.name)}</Table.Td><Table.Td>{plain(change.from)} → {plain(change.to)}</Table.Td></Table.Tr>)}
            </Table.Tbody>
          </Table>
        </>
      )}
    </>
  )
}
