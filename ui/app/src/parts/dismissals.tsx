import { Group } from '@mantine/core'
import type { ReactNode } from 'react'
import { answerOf, api, type Found } from '../api.ts'
import { useSession } from '../session.ts'
import { plain } from '../words.ts'
import { ActionButton } from './confirm.tsx'
import { At } from './facts.tsx'
import { Rows } from './rows.tsx'

const because = (answer: string): string => `--reason '${answer === '' ? '…' : answer.replaceAll('\'', '\'\\\'\'')}'`
const NOT_OURS = { label: 'Reason', placeholder: 'the source is not ours' }
const at = (id: string) => ({ params: { path: { id } } })

/** What can be done with a finding that may be none: say so, agree, turn it down. */
export function Claim({ finding, onDone }: { finding: Found; onDone: () => void }): ReactNode {
  const { isOperator, isApprover, session } = useSession()
  const { id, dismissal, text } = finding
  if (id === null || finding.withdrawn !== null) return null
  const done = async (answer: Promise<unknown>): Promise<void> => {
    await answer
    onDone()
  }
  if (dismissal?.state !== 'waiting') {
    return (
      <>
        {dismissal === null ? null : <p className="soft">{dismissal.state === 'rejected' ? 'Turned down' : 'Taken back'} by {plain(dismissal.closed?.by ?? '')}: {plain(dismissal.closed?.reason ?? '')}</p>}
        <ActionButton
          label="False alarm" title="Call it a false alarm" tone="quiet" disabled={!isOperator} ask={{ label: 'Reason', placeholder: 'built here, from our own source' }}
          explain={<>{plain(text)}<br />For this signature of this scanner in these very bytes only. As many approvers must agree as an import needs; until then it alarms as before.</>}
          command={answer => `drydock dismissal new ${id} ${because(answer)}`} run={reason => done(answerOf(api.POST('/api/v1/scanners/dismissals', { body: { finding: id, reason } })))}
        />
      </>
    )
  }
  const { by, reason, approvals, approvalsNeeded } = dismissal
  const why = <>{plain(text)}<br />{plain(by)} says that it is a false alarm: {plain(reason)}</>
  return (
    <>
      <p>{by === session.user ? 'You say' : `${plain(by)} says`} that it is a false alarm: {plain(reason)}<br /><span className="soft">{approvals.length} of {approvalsNeeded} agree</span></p>
      <Group gap="xs">
        <ActionButton label="Agree" title="Agree that it is a false alarm" tone="normal" disabled={!isApprover || by === session.user} explain={<>{why}<br />When enough agree it alarms no more; it is still listed.</>} command={`drydock dismissal approve ${id}`} run={() => done(answerOf(api.POST('/api/v1/scanners/dismissals/{id}/approve', at(id))))} />
        {isApprover ? (
          <ActionButton label="Turn down" title="It is no false alarm" tone="quiet" explain={why} ask={NOT_OURS} command={answer => `drydock dismissal reject ${id} ${because(answer)}`} run={answer => done(answerOf(api.POST('/api/v1/scanners/dismissals/{id}/reject', { ...at(id), body: { reason: answer } })))} />
        ) : (
          <ActionButton label="Take it back" title="It is no false alarm" tone="quiet" disabled={!isOperator} explain={why} ask={NOT_OURS} command={answer => `drydock dismissal end ${id} ${because(answer)}`} run={answer => done(answerOf(api.POST('/api/v1/scanners/dismissals/{id}/end', { ...at(id), body: { reason: answer } })))} />
        )}
      </Group>
    </>
  )
}

/** What was dismissed is not hidden: who said so, who agreed, and the way back. */
export function Dismissed({ findings, onDone }: { findings: readonly Found[]; onDone: () => void }): ReactNode {
  const { isOperator } = useSession()
  if (findings.length === 0) return null
  return (
    <div className="group">
      <h3>Dismissed as false alarms</h3>
      <Rows
        label="dismissed findings" rows={findings} keyOf={one => one.scanner + one.digest + one.text}
        columns={[
          { label: 'Found', cell: one => <>{plain(one.text)}{one.items.map(item => <div key={item} className="soft">{plain(item)}</div>)}</>, className: 'wide' },
          { label: 'Because', cell: ({ dismissal }) => (dismissal === null ? null : plain(dismissal.reason)), className: 'wide' },
          { label: 'By', cell: ({ dismissal }) => (dismissal === null ? null : <>{plain(dismissal.by)}{dismissal.approvals.length === 0 ? null : <div className="soft">agreed: {dismissal.approvals.map(({ user }) => plain(user)).join(', ')}</div>}<div className="soft"><At iso={dismissal.at} /></div></>) },
          { label: 'Way back', cell: ({ id, text }) => (id === null ? null : (
            <ActionButton label="Take it back" title="It alarms again" tone="quiet" disabled={!isOperator} explain={plain(text)} ask={NOT_OURS} command={answer => `drydock dismissal end ${id} ${because(answer)}`} run={async reason => {
              await answerOf(api.POST('/api/v1/scanners/dismissals/{id}/end', { ...at(id), body: { reason } }))
              onDone()
            }} />
          )) },
        ]}
      />
    </div>
  )
}
