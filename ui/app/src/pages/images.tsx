import { Table } from '@mantine/core'
import type { ReactNode } from 'react'
import { answerOf, api } from '../api.ts'
import { Digest, Empty, FaultBox } from '../parts/facts.tsx'
import { useAnswer } from '../use-answer.ts'
import { bytes } from '../words.ts'

export function ImagesPage(): ReactNode {
  const { data, fault } = useAnswer(() => answerOf(api.GET('/api/v1/images')), 'images', event => event.type === 'build.image')
  return (
    <>
      <h1>Images</h1>
      <p className="question">What do the runners run?</p>
      <FaultBox fault={fault} />
      {data?.length === 0 ? <Empty title="No image yet" command="drydock pool apply NAME">An image is baked when a pool is applied.</Empty> : data?.map(image => (
        <section key={image.digest} className="panel" aria-label={image.digest}>
          <b><Digest value={image.digest} /></b> {bytes(image.size)} · spec <Digest value={image.specDigest} /> · {image.packages.length} packages
          <Table>
            <Table.Thead><Table.Tr>{['Layer', 'Size', 'Digest', 'dm-verity root'].map(name => <Table.Th key={name}>{name}</Table.Th>)}</Table.Tr></Table.Thead>
            <Table.Tbody>
              {image.layers.map(layer => (
                <Table.Tr key={layer.name}>
                  <Table.Td>{layer.name}</Table.Td>
                  <Table.Td>{bytes(layer.size)}</Table.Td>
                  <Table.Td><Digest value={layer.digest} /></Table.Td>
                  <Table.Td><code>{layer.verityRoot.slice(0, 16)}…</code></Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </section>
      ))}
    </>
  )
}
