import { Anchor, Group } from '@mantine/core'
import type { ReactNode } from 'react'
import { Link } from 'react-router'
import { answerOf, api, idempotencyKey, type DrydockEvent, type Found, type Rescan } from '../api.ts'
import { useSession } from '../session.ts'
import { urls } from '../urls.ts'
import { useAnswer } from '../use-answer.ts'
import { duration, plain } from '../words.ts'
import { ActionButton } from './confirm.tsx'
import { Claim, Dismissed } from './dismissals.tsx'
import { At, Command, FaultBox, StateBadge } from './facts.tsx'
import { OperationProgress } from './operation-progress.tsx'
import { Section } from './page.tsx'
import { Rows } from './rows.tsx'

const concerns = (event: DrydockEvent): boolean => ['rescan.', 'dismissal.'].some(start => event.type.startsWith(start)) || event.type === 'import.promoted'

/** What scanners say of what is here already: definitions that came later may know what nobody knew when it came in. */
export function StoreScan(): ReactNode {
  const { data: scanners, fault } = useAnswer(() => answerOf(api.GET('/api/v1/scanners')), 'scanners', { concerns })
  const { data: rescans, reload } = useAnswer(() => answerOf(api.GET('/api/v1/scanners/rescans', { params: { query: { limit: 1 } } })), 'rescans', { concerns })
  const { data: findings, reload: again } = useAnswer(() => answerOf(api.GET('/api/v1/scanners/findings')), 'store findings', { concerns })
  if (scanners === undefined || rescans === undefined || findings === undefined) return <FaultBox fault={fault} />
  if (!scanners.some(({ state }) => state === 'ready' || state === 'old definitions')) return null
  const [last] = rescans
  const isDismissed = ({ dismissal }: Found): boolean => dismissal?.state === 'dismissed'
  const blockers = findings.filter(({ severity }) => severity === 'blocker')
  const found = blockers.filter(one => !isDismissed(one))
  const unsure = findings.length - blockers.length
  return (
    <Section title="What is here already" note={last === undefined ? 'nobody looked through it yet' : <>{last.state === 'succeeded' ? 'looked through' : 'begun'} <At iso={last.endedAt ?? last.at} /></>}>
      {last === undefined ? null : <Last rescan={last} />}
      {found.length === 0 ? null : (
        <Rows
          label="found in the store" rows={found} keyOf={one => one.scanner + one.digest + one.text}
          columns={[
            { label: 'Found', cell: one => <><b>{plain(one.text)}</b>{one.items.map(item => <div key={item} className="soft">{plain(item)}</div>)}</>, className: 'wide' },
            { label: 'Brought by', cell: broughtBy },
            { label: 'False alarm?', cell: one => <Claim finding={one} onDone={again} /> },
            { label: 'Withdraw', cell: one => (one.withdrawn === null ? <Remedy of={one} /> : `withdrawn by recall ${plain(one.withdrawn)}`) },
          ]}
        />
      )}
      <Dismissed findings={blockers.filter(isDismissed)} onDone={again} />
      {unsure === 0 ? null : <p className="soft">{unsure} {unsure === 1 ? 'thing' : 'things'} that nobody could look into, or that a scanner warns of: <Command line="drydock scanner findings" /></p>}
      <Group mt="sm"><Again last={last} onBegun={reload} /></Group>
    </Section>
  )
}

function Last({ rescan }: { rescan: Rescan }): ReactNode {
  return (
    <>
      {rescan.state === 'succeeded' ? null : <p><StateBadge state={rescan.state} /> {rescan.blobs.done} of {rescan.blobs.total} files{rescan.error === null ? '' : `: ${plain(rescan.error.message)}`}</p>}
      {rescan.goesOnFrom === undefined ? null : <p className="soft">It {rescan.state === 'succeeded' ? 'went' : 'goes'} on behind the {rescan.goesOnFrom.done} files that the one of <At iso={rescan.goesOnFrom.at} /> had done.</p>}
      <OperationProgress id={rescan.id} />
      {rescan.scans.map(({ scanner, version, definitions, files, seconds, findings }) => (
        <p key={scanner}><b>{plain(scanner)}</b> {plain(version)}{definitions === undefined || definitions === null ? '' : `, definitions ${plain(definitions.version)}`}: {files} {files === 1 ? 'file' : 'files'} in {duration(seconds)}, {findings === 0 ? 'nothing found' : `${findings} ${findings === 1 ? 'finding' : 'findings'}`}</p>
      ))}
    </>
  )
}

function Remedy({ of: { recall, unpublish } }: { of: Found }): ReactNode {
  const line = recall ?? unpublish
  return line === null ? null : <Command line={line} />
}

function broughtBy({ broughtBy, published }: Found): ReactNode {
  if (published === true) return 'published here'
  return broughtBy.map(one => <div key={one.import}><Anchor component={Link} to={urls.import(one.import)}>{plain(one.stream)}, sequence {one.sequence}</Anchor></div>)
}

const WHAT_IT_DOES = 'Every scanner looks at everything that the mirrors hold and that people published here, with the newest definitions. Imports go on meanwhile. Nothing is withdrawn by it: what is found is told, and a recall withdraws it.'

function Again({ last, onBegun }: { last: Rescan | undefined; onBegun: () => void }): ReactNode {
  const { isOperator } = useSession()
  const run = async (query: { anew?: 'true' }): Promise<void> => {
    await answerOf(api.POST('/api/v1/scanners/rescans', { headers: idempotencyKey(), params: { query } }))
    onBegun()
  }
  const about = { title: 'Look through what is here already', disabled: !isOperator }
  if (last === undefined || !isCutOff(last)) return <ActionButton {...about} label="Look through it" tone="normal" explain={WHAT_IT_DOES} command="drydock scanner rescan" run={() => run({})} />
  return (
    <>
      <ActionButton {...about} label="Go on" tone="normal" explain={`It goes on behind the ${last.blobs.done} files that are done, if the scanners know the same as then; with newer definitions it begins anew. Imports go on meanwhile.`} command="drydock scanner rescan" run={() => run({})} />
      <ActionButton {...about} label="Begin anew" tone="quiet" explain={WHAT_IT_DOES} command="drydock scanner rescan --anew" run={() => run({ anew: 'true' })} />
    </>
  )
}

/** It did not come to its end, and some of it is done. */
function isCutOff({ state, since, blobs, rest }: Rescan): boolean {
  return (state === 'failed' || state === 'cancelled') && since === 0 && blobs.done > 0 && rest !== undefined && rest.length > 0
}
