import { Anchor, Button, FileButton, Progress, Text } from '@mantine/core'
import { useState, type ReactNode } from 'react'
import { Link } from 'react-router'
import { answerOf, api, faultFrom, type Fault, type Import } from '../api.ts'
import { At, Command, Empty, FaultBox, StateBadge } from '../parts/facts.tsx'
import { Media } from '../parts/media.tsx'
import { Page, Section } from '../parts/page.tsx'
import { Rows } from '../parts/rows.tsx'
import { StoreScan } from '../parts/store-scan.tsx'
import { uploadBundle } from '../upload.ts'
import { useSession } from '../session.ts'
import { urls } from '../urls.ts'
import { useAnswer } from '../use-answer.ts'
import { bytes, plain } from '../words.ts'

export function ImportsPage(): ReactNode {
  const { data, fault, reload } = useAnswer(() => answerOf(api.GET('/api/v1/imports')), 'imports')
  return (
    <Page title="Imports" question="What came in, may it pass?">
      <FaultBox fault={fault} />
      <Drop onDone={reload} />
      <Media onBrought={reload} />
      {data === undefined ? null : data.length === 0 ? (
        <Empty title="No bundle yet" command="drydock import run /media/STICK/site-a-0001.v1-of-1.drydock">A bundle is verified before anything of it is kept. Nothing enters the mirrors without an approver.</Empty>
      ) : (
        <Section title="What came in" note="newest first">
          <Rows
            label="imports" rows={data} keyOf={one => one.id}
            columns={[
              { label: 'Bundle', cell: one => <><Anchor component={Link} to={urls.import(one.id)} fw={600}>{nameOf(one)}</Anchor>{one.preflight === null ? null : <div className="soft">{fileOf(one)}</div>}</> },
              { label: 'State', cell: one => <><StateBadge state={one.state} />{one.state === 'parked' ? <div className="soft">{plain(one.missing.at(-1) ?? '')}</div> : null}</> },
              { label: 'Findings', cell: countsOf },
              { label: 'Signed by', cell: one => one.preflight?.signers.filter(({ counts }) => counts !== false).map(signer => plain(signer.name)).join(', ') ?? null },
              { label: 'New', cell: one => (one.preflight === null ? null : bytes(one.preflight.newBytes)), className: 'numbers' },
              { label: 'Brought', cell: one => <>{plain(byWhom(one))}{one.brought === undefined ? null : <div className="soft">{howOf(one)}</div>}</> },
              { label: 'When', cell: one => <At iso={one.at} /> },
            ]}
          />
        </Section>
      )}
      <StoreScan />
    </Page>
  )
}

export function nameOf(record: Import): string {
  return record.preflight === null ? fileOf(record) : `${plain(record.preflight.stream)}, sequence ${record.sequence}`
}

/** Found by the appliance itself: nobody answers for it yet. */
export function cameByItself({ submittedBy }: Import): boolean {
  return MACHINES[submittedBy] !== undefined
}

export function fileOf(record: Import): string {
  return plain(record.source.split('/').at(-1) ?? record.source)
}

/** `1 stops it, 2 to weigh`; notes are not counted. */
function countsOf({ preflight }: Import): string | null {
  const count = (severity: 'blocker' | 'warning'): number => preflight?.findings.filter(finding => finding.severity === severity).length ?? 0
  const [stops, warns] = [count('blocker'), count('warning')]
  return [stops === 0 ? null : `${stops} ${stops === 1 ? 'stops it' : 'stop it'}`, warns === 0 ? null : `${warns} to weigh`].filter(text => text !== null).join(', ') || null
}

/** What the machine does by itself is said in words. */
const MACHINES: Record<string, { by: string; how: string }> = {
  'drydock:watch': { by: 'the appliance itself', how: 'found in a watch folder' },
  'drydock:media': { by: 'the appliance itself', how: 'found on a medium' },
}

export function byWhom({ submittedBy }: Import): string {
  return MACHINES[submittedBy]?.by ?? submittedBy
}

export function howOf({ brought, submittedBy }: Import): string {
  return MACHINES[submittedBy]?.how ?? (brought?.how === 'upload' ? 'as an upload' : 'by its path')
}

function Drop({ onDone }: { onDone: () => void }): ReactNode {
  const { isOperator, session } = useSession()
  const [over, setOver] = useState(false)
  const [sending, setSending] = useState<{ name: string; size: number; share: number } | null>(null)
  const [fault, setFault] = useState<Fault | null>(null)
  const send = async (file: File | null | undefined): Promise<void> => {
    if (file === null || file === undefined) return
    const { name, size } = file
    setFault(null)
    setSending({ name, size, share: 0 })
    try {
      await uploadBundle(file, share => setSending({ name, size, share }))
      onDone()
    } catch (failure) {
      setFault(faultFrom(failure))
    } finally {
      setSending(null)
    }
  }
  if (!isOperator) return <Text size="sm" className="soft">Bundles are brought by an operator; your role is {session.role}.</Text>
  return (
    <div
      className="drop" data-over={over}
      onDragOver={event => {
        event.preventDefault()
        setOver(true)
      }}
      onDragLeave={() => setOver(false)}
      onDrop={event => {
        event.preventDefault()
        setOver(false)
        void send(event.dataTransfer.files[0])
      }}
    >
      {sending === null ? (
        <>
          <Text fw={600}>Drop a bundle here</Text>
          <Text size="sm" className="soft" mb="sm">It is verified at once; nothing of it enters the mirrors before somebody else approves it. The file is removed here when it is imported, refused or rejected; after a failure it is kept for seven days, for Resume.</Text>
          <FileButton accept=".drydock" onChange={file => void send(file)} inputProps={{ 'aria-label': 'bundle file' }}>{props => <Button {...props} size="xs" variant="light">Choose a file</Button>}</FileButton>
          <Text size="xs" mt="sm" component="div" className="soft">or <Command line="drydock import run FILE" /></Text>
        </>
      ) : (
        <>
          <Text size="sm" mb={6}>{plain(sending.name)}: {bytes(sending.share * sending.size)} of {bytes(sending.size)}</Text>
          <Progress value={sending.share * 100} aria-label="upload" />
        </>
      )}
      <FaultBox fault={fault} />
    </div>
  )
}
