import { Alert } from '@mantine/core'
import type { ReactNode } from 'react'
import { useParams } from 'react-router'
import { answerOf, api, idempotencyKey, type Import } from '../api.ts'
import { useLive } from '../live-events.tsx'
import { ActionButton } from '../parts/confirm.tsx'
import { At, FaultBox, StateBadge } from '../parts/facts.tsx'
import { ImportWay } from '../parts/import-way.tsx'
import { OperationProgress } from '../parts/operation-progress.tsx'
import { Page, Section } from '../parts/page.tsx'
import { PreflightSections } from '../parts/preflight.tsx'
import { Receipt } from '../parts/receipt.tsx'
import { Sbom } from '../parts/sbom.tsx'
import { Scans } from '../parts/scans.tsx'
import { Timeline } from '../parts/timeline.tsx'
import { useSession } from '../session.ts'
import { useAnswer } from '../use-answer.ts'
import { commandName, plain } from '../words.ts'
import { byWhom, cameByItself, fileOf, howOf, nameOf } from './imports.tsx'

/** Nothing is left to decide. */
const ENDED: readonly Import['state'][] = ['imported', 'refused', 'rejected', 'cancelled']
/** States in which the findings are those of the bytes. */
const SCANNED: readonly Import['state'][] = ['scanned', 'quarantined', 'awaiting-approval', 'promoting', 'imported']

export function ImportPage(): ReactNode {
  const id = useParams()['id'] ?? ''
  const { data, fault } = useAnswer(() => answerOf(api.GET('/api/v1/imports/{id}', { params: { path: { id } } })), `import ${id}`)
  const { events } = useLive()
  if (data === undefined) return <Page title="Import" question="May it pass?"><FaultBox fault={fault} /></Page>
  return (
    <Page title={nameOf(data)} question={`${ENDED.includes(data.state) ? '' : 'May it pass? '}${data.preflight === null ? 'Brought' : `${fileOf(data)}, brought`} by ${plain(byWhom(data))}${data.brought === undefined ? '' : `, ${howOf(data)}`}`} state={<StateBadge state={data.state} />} does={<ImportActions record={data} />}>
      <FaultBox fault={fault} />
      <Section title="Where it is" note={<>since <At iso={data.updatedAt} /></>}>
        <ImportWay state={data.state} payload={data.preflight?.control === undefined} />
        <OperationProgress id={data.operation} />
        {data.brought?.path === undefined || data.brought.path === null ? null : <p className="soft">Read from <span className="mono">{plain(data.brought.path)}</span></p>}
      </Section>
      <Standing record={data} />
      {data.missing.length === 0 ? null : (
        <Missing missing={data.missing} />
      )}
      {data.preflight === null ? null : <PreflightSections preflight={data.preflight} scanned={data.scans !== undefined || SCANNED.includes(data.state)} scans={<Scans record={data} />} />}
      {data.preflight === null || ['refused', 'rejected', 'cancelled', 'quarantined', 'failed'].includes(data.state) ? null : <Approval record={data} />}
      {data.state === 'imported' ? <Receipt record={data} /> : null}
      {data.state === 'imported' && data.preflight?.control === undefined ? <Sbom record={data} /> : null}
      <Section title="Time line">
        <Timeline events={events.filter(event => event.operation === data.operation || event.subject === `import:${data.id}`)} empty="No event of this import is among the last 500." />
      </Section>
    </Page>
  )
}

/** Volumes, or what a delta stands on; with parity, how many more make it whole. */
function Missing({ missing }: { missing: readonly string[] }): ReactNode {
  const volumes = missing.filter(one => one.startsWith('volume '))
  const parity = missing.filter(one => / parity volumes? here: /.test(one))
  const named = missing.filter(one => !parity.includes(one))
  return (
    <Alert color="yellow" title={`Missing here: ${named.length}`}>
      {volumes.length > 0 ? 'Bring these volumes, in any order' : 'Bring what this bundle stands on'}; it goes on by itself then.
      <ul>{named.slice(0, 40).map(one => <li key={one}>{plain(one)}</li>)}</ul>
      {named.length > 40 ? `and ${named.length - 40} more` : ''}
      {parity.map(one => <p key={one}><b>{plain(one)}</b></p>)}
    </Alert>
  )
}

/** How it ended or what stops it, and what is left to do. */
function Standing({ record }: { record: Import }): ReactNode {
  const { session, isApprover } = useSession()
  if (record.state === 'quarantined') {
    const stops = record.preflight?.findings.filter(({ severity }) => severity === 'blocker').length ?? 0
    return <Alert color="red" role="alert" title="In quarantine">{stops === 1 ? 'One finding stops' : `${stops} findings stop`} it. It cannot be approved, only rejected; nothing of it is in the mirrors, and the next good bundle comes in all the same.{isApprover ? '' : ` An approver rejects it; your role is ${session.role}.`}</Alert>
  }
  if (record.state === 'failed') return <><FaultBox fault={record.error} /><Section title="What is left"><p>{leftOf(record)}</p></Section></>
  if (record.reason !== null) return <Alert color="red" title="Rejected">{plain(record.reason)}</Alert>
  return <FaultBox fault={record.error} />
}

/** What a failed import keeps, and for how long. */
function leftOf(record: Import): ReactNode {
  if (record.uploadKeptUntil === undefined || record.uploadKeptUntil === null) return 'Resume reads it again from where it was brought: put the medium back in first. Reject gives it up.'
  return <>What was uploaded is kept until <At iso={record.uploadKeptUntil} />, so that Resume need not send it again. After that, or when it is rejected, it is removed.</>
}

function Approval({ record }: { record: Import }): ReactNode {
  const { session, isApprover } = useSession()
  const waits = record.state === 'awaiting-approval'
  return (
    <Section title="Approval" note={`${record.approvals.length} of ${record.approvalsNeeded}`}>
      {record.approvals.map(one => <p key={one.user}><b>{plain(one.user)}</b> approved <At iso={one.at} /></p>)}
      {!waits || !cameByItself(record) ? null : <p>It came by itself. A person has to answer for it first, then {record.approvalsNeeded === 1 ? 'another one approves' : `${record.approvalsNeeded} others approve`}.</p>}
      {record.approvals.length >= record.approvalsNeeded || (waits && cameByItself(record)) ? null : (
        <p>
          {waits ? 'Waits for' : 'Needs'} an approver other than <b>{plain(byWhom(record))}</b>, who brought it
          {waits ? (record.submittedBy === session.user ? ': that is you, so ask somebody else.' : isApprover ? ': you may do it.' : `; your role is ${session.role}.`) : '.'}
        </p>
      )}
    </Section>
  )
}

/** What approving does, by what the bundle brings. */
const APPROVING = {
  content: 'Publishes one new generation of all mirrors at once. No pool changes before it is applied.',
  recall: 'From then on the mirrors refuse what it withdraws, in every generation, and no image is built from it. Runners that have it go on until their pool changes.',
  trust: 'From then on these keys and thresholds decide which bundles come in. Compare the fingerprints with what the key holders told you by another way.',
} as const

function ImportActions({ record }: { record: Import }): ReactNode {
  const { session, isOperator, isApprover } = useSession()
  const path = { params: { path: { id: record.id } } } as const
  const name = commandName(record)
  const isUnanswered = cameByItself(record)
  return (
    <>
      {record.state !== 'verified' ? null : (
        <ActionButton label="Take it in" title={`Take in ${nameOf(record)}`} disabled={!isOperator} explain="Reads the payload, checks every byte and scans it. It enters no mirror before it is approved." command={`drydock import proceed ${name}`} run={() => answerOf(api.POST('/api/v1/imports/{id}/proceed', path))} />
      )}
      {record.state !== 'awaiting-approval' || !isUnanswered ? null : (
        <ActionButton label="Answer for it" title={`Answer for ${nameOf(record)}`} disabled={!isOperator && !isApprover} explain="It came by itself, so nobody has brought it. You take that place, and others approve it: it needs as many people as what somebody brought." command={`drydock import ${isApprover ? 'approve' : 'proceed'} ${name}`} run={() => answerOf(isApprover ? api.POST('/api/v1/imports/{id}/approve', path) : api.POST('/api/v1/imports/{id}/proceed', path))} />
      )}
      {record.state !== 'awaiting-approval' || isUnanswered ? null : (
        <ActionButton label="Approve" title={`Approve ${nameOf(record)}`} disabled={!isApprover || record.submittedBy === session.user} explain={APPROVING[record.preflight?.control ?? 'content']} command={`drydock import approve ${name}`} run={() => answerOf(api.POST('/api/v1/imports/{id}/approve', path))} />
      )}
      {record.state !== 'failed' ? null : (
        <ActionButton label="Resume" title={`Go on with ${nameOf(record)}`} disabled={!isOperator} explain="Keeps what was verified and reads the rest again." command={`drydock import resume ${name}`} run={() => answerOf(api.POST('/api/v1/imports/{id}/resume', { ...path, headers: idempotencyKey() }))} />
      )}
      {!['awaiting-approval', 'verified', 'quarantined', 'parked', 'failed'].includes(record.state) ? null : (
        <ActionButton label="Reject" title={`Reject ${nameOf(record)}`} tone="danger" disabled={!isApprover} explain="What was staged or uploaded is removed. The bundle can be brought again." ask={{ label: 'Reason', placeholder: 'not what was ordered' }} command={answer => `drydock import reject ${name} --reason '${answer === '' ? '…' : answer}'`} run={reason => answerOf(api.POST('/api/v1/imports/{id}/reject', { ...path, body: { reason } }))} />
      )}
    </>
  )
}
