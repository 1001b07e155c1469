import { Code, Table, TextInput } from '@mantine/core'
import { useEffect, useState, type ReactNode } from 'react'
import { answerOf, api } from '../api.ts'
import { At, Command, Empty, FaultBox } from '../parts/facts.tsx'
import { useAnswer } from '../use-answer.ts'
import { plain } from '../words.ts'

const TYPING_MS = 250

export function MirrorsPage(): ReactNode {
  const [words, setWords] = useState('')
  const [query, setQuery] = useState('')
  useEffect(() => {
    const timer = setTimeout(() => setQuery(words), TYPING_MS)
    return () => clearTimeout(timer)
  }, [words])
  const found = useAnswer(() => answerOf(api.GET('/api/v1/mirrors/search', { params: { query: { q: query } } })), `search ${query}`, event => event.type === 'import.promoted')
  const generations = useAnswer(() => answerOf(api.GET('/api/v1/generations')), 'generations', event => event.type === 'import.promoted')
  const origin = window.location.origin
  return (
    <>
      <h1>Mirrors</h1>
      <p className="question">What do we have?</p>
      <FaultBox fault={found.fault ?? generations.fault} />
      <TextInput label="Search all kinds" placeholder="numpy" value={words} onChange={event => setWords(event.currentTarget.value)} autoFocus />
      {found.data?.length === 0 && query === '' ? <Empty title="Nothing imported yet" command="drydock import run /media/STICK/site-a-0001.v1-of-1.drydock">Mirrors are filled by signed bundles only.</Empty> : (
        <Table mt="sm">
          <Table.Thead><Table.Tr>{['Kind', 'Name', 'Version'].map(name => <Table.Th key={name}>{name}</Table.Th>)}</Table.Tr></Table.Thead>
          <Table.Tbody>
            {found.data?.map(item => (
              <Table.Tr key={`${item.kind} ${item.name} ${item.version}`}>
                <Table.Td>{item.kind}</Table.Td><Table.Td>{plain(item.name)}</Table.Td><Table.Td>{plain(item.version)}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
      <h2>Generations</h2>
      <Table>
        <Table.Tbody>
          {generations.data?.toReversed().map(one => (
            <Table.Tr key={one.generation}>
              <Table.Td>{one.generation}{one.current ? ' (served)' : ''}</Table.Td>
              <Table.Td>{one.generation === 0 ? 'empty, the beginning' : <At iso={one.at} />}</Table.Td>
              <Table.Td>{Object.entries(one.counts).map(([kind, count]) => `${kind} ${count}`).join(' · ')}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      <h2>Set up a client</h2>
      <Command line={`npm config set registry ${origin}/npm/`} />
      <Command line={`pip config set global.index-url ${origin}/pypi/simple/`} />
      <Command line={`echo 'deb [signed-by=/etc/apt/keyrings/drydock.asc] ${origin}/apt bookworm main' > /etc/apt/sources.list.d/drydock.list`} />
      <Command line={`podman pull ${window.location.host}/NAME:TAG`} />
      <p>Each needs the appliance's CA: <Code>{origin}/ca.pem</Code></p>
    </>
  )
}
