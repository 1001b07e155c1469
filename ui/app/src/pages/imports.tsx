import { Anchor, Button, FileButton, Progress, Table, Text } from '@mantine/core'
import { useState, type ReactNode } from 'react'
import { Link } from 'react-router'
import { answerOf, api, faultFrom, type Fault } from '../api.ts'
import { At, Empty, FaultBox, StateBadge } from '../parts/facts.tsx'
import { uploadBundle } from '../upload.ts'
import { useSession } from '../session.ts'
import { urls } from '../urls.ts'
import { useAnswer } from '../use-answer.ts'
import { bytes, plain } from '../words.ts'

export function ImportsPage(): ReactNode {
  const { data, fault, reload } = useAnswer(() => answerOf(api.GET('/api/v1/imports')), 'imports')
  return (
    <>
      <h1>Imports</h1>
      <p className="question">What came in, may it pass?</p>
      <FaultBox fault={fault} />
      <Drop onDone={reload} />
      {data?.length === 0 ? (
        <Empty title="No bundle yet" command="drydock import run /media/STICK/site-a-0001.v1-of-1.drydock">A bundle is verified before anything of it is kept. Nothing enters the mirrors without an approver.</Empty>
      ) : (
        <Table mt="md" highlightOnHover>
          <Table.Thead><Table.Tr>{['Bundle', 'State', 'Signed by', 'New', 'Brought by', 'When'].map(name => <Table.Th key={name}>{name}</Table.Th>)}</Table.Tr></Table.Thead>
          <Table.Tbody>
            {data?.map(one => (
              <Table.Tr key={one.id}>
                <Table.Td><Anchor component={Link} to={urls.import(one.id)}>{one.preflight === null ? plain(one.source) : `${one.preflight.stream}, sequence ${one.sequence}`}</Anchor></Table.Td>
                <Table.Td><StateBadge state={one.state} /></Table.Td>
                <Table.Td>{one.preflight?.signers.map(signer => plain(signer.name)).join(', ') ?? ''}</Table.Td>
                <Table.Td>{one.preflight === null ? '' : bytes(one.preflight.newBytes)}</Table.Td>
                <Table.Td>{plain(one.submittedBy)}</Table.Td>
                <Table.Td><At iso={one.at} /></Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
    </>
  )
}

function Drop({ onDone }: { onDone: () => void }): ReactNode {
  const { isOperator } = useSession()
  const [over, setOver] = useState(false)
  const [share, setShare] = useState<number | null>(null)
  const [fault, setFault] = useState<Fault | null>(null)
  const send = async (file: File | null | undefined): Promise<void> => {
    if (file === null || file === undefined) return
    setFault(null)
    setShare(0)
    try {
      await uploadBundle(file, setShare)
      onDone()
    } catch (failure) {
      setFault(faultFrom(failure))
    } finally {
      setShare(null)
    }
  }
  if (!isOperator) return null
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
      {share === null ? (
        <>
          <Text size="sm" mb={6}>Drop a bundle here. It is verified at once; nothing of it is kept before you say so.</Text>
          <FileButton accept=".drydock" onChange={file => void send(file)}>{props => <Button {...props} size="xs" variant="light">Choose a file</Button>}</FileButton>
        </>
      ) : (
        <Progress value={share * 100} aria-label="upload" />
      )}
      <FaultBox fault={fault} />
    </div>
  )
}
