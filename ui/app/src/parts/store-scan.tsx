import { Anchor, Group } from '@mantine/core'
import type { ReactNode } from 'react'
import { Link } from 'react-router'
import { answerOf, api, idempotencyKey, type DrydockEvent, type Found, type Rescan } from '../api.ts'
import { useSession } from '../session.ts'
import { urls } from '../urls.ts'
import { useAnswer } from '../use-answer.ts'
import { duration, plain } from '../words.ts'
import { ActionButton } from './confirm.tsx'
import { At, Command, FaultBox, StateBadge } from './facts.tsx'
import { OperationProgress } from './operation-progress.tsx'
import { Section } from './page.tsx'
import { Rows } from './rows.tsx'

const concerns = (event: DrydockEvent): boolean => event.type.startsWith('rescan.') || event.type === 'import.promoted'

/** What scanners say of what is here already: definitions that came later may know what nobody knew when it came in. */
export function StoreScan(): ReactNode {
  const { data: scanners, fault } = useAnswer(() => answerOf(api.GET('/api/v1/scanners')), 'scanners', { concerns })
  const { data: rescans, reload } = useAnswer(() => answerOf(api.GET('/api/v1/scanners/rescans', { params: { query: { limit: 1 } } })), 'rescans', { concerns })
  const { data: findings } = useAnswer(() => answerOf(api.GET('/api/v1/scanners/findings')), 'store findings', { concerns })
  if (scanners === undefined || rescans === undefined || findings === undefined) return <FaultBox fault={fault} />
  if (!scanners.some(({ state }) => state === 'ready' || state === 'old definitions')) return null
  const [last] = rescans
  const found = findings.filter(({ severity }) => severity === 'blocker')
  const unsure = findings.length - found.length
  return (
    <Section title="What is here already" note={last === undefined ? 'nobody looked through it yet' : <>{last.state === 'succeeded' ? 'looked through' : 'begun'} <At iso={last.endedAt ?? last.at} /></>}>
      {last === undefined ? null : <Last rescan={last} />}
      {found.length === 0 ? null : (
        <Rows
          label="found in the store" rows={found} keyOf={one => one.scanner + one.digest + one.text}
          columns={[
            { label: 'Found', cell: one => <><b>{plain(one.text)}</b>{one.items.map(item => <div key={item} className="soft">{plain(item)}</div>)}</>, className: 'wide' },
            { label: 'Brought by', cell: broughtBy },
            { label: 'Withdraw', cell: one => (one.withdrawn === null ? one.recall === null ? null : <Command line={one.recall} /> : `withdrawn by recall ${plain(one.withdrawn)}`) },
          ]}
        />
      )}
      {unsure === 0 ? null : <p className="soft">{unsure} {unsure === 1 ? 'thing' : 'things'} that nobody could look into, or that a scanner warns of: <Command line="drydock scanner findings" /></p>}
      <Group mt="sm"><Again onBegun={reload} /></Group>
    </Section>
  )
}

function Last({ rescan }: { rescan: Rescan }): ReactNode {
  return (
    <>
      {rescan.state === 'succeeded' ? null : <p><StateBadge state={rescan.state} /> {rescan.blobs.done} of {rescan.blobs.total} files{rescan.error === null ? '' : `: ${plain(rescan.error.message)}`}</p>}
      <OperationProgress id={rescan.id} />
      {rescan.scans.map(({ scanner, version, definitions, files, seconds, findings }) => (
        <p key={scanner}><b>{plain(scanner)}</b> {plain(version)}{definitions === undefined || definitions === null ? '' : `, definitions ${plain(definitions.version)}`}: {files} {files === 1 ? 'file' : 'files'} in {duration(seconds)}, {findings === 0 ? 'nothing found' : `${findings} ${findings === 1 ? 'finding' : 'findings'}`}</p>
      ))}
    </>
  )
}

function broughtBy({ broughtBy }: Found): ReactNode {
  return broughtBy.map(one => <div key={one.import}><Anchor component={Link} to={urls.import(one.import)}>{plain(one.stream)}, sequence {one.sequence}</Anchor></div>)
}

function Again({ onBegun }: { onBegun: () => void }): ReactNode {
  const { isOperator } = useSession()
  const run = async (): Promise<void> => {
    await answerOf(api.POST('/api/v1/scanners/rescans', { headers: idempotencyKey() }))
    onBegun()
  }
  return <ActionButton label="Look through it" title="Look through what is here already" tone="normal" disabled={!isOperator} explain="Every scanner looks at everything that the mirrors hold, with the newest definitions. Imports go on meanwhile. Nothing is withdrawn by it: what is found is told, and a recall withdraws it." command="drydock scanner rescan" run={run} />
}
