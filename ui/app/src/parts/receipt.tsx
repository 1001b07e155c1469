import { Button, Group } from '@mantine/core'
import { useState, type ReactNode } from 'react'
import { answerOf, api, faultFrom, type Fault, type Import } from '../api.ts'
import { useAnswer } from '../use-answer.ts'
import { Command, Digest, FaultBox } from './facts.tsx'
import { Section } from './page.tsx'
import { save } from './save.ts'
import { commandName } from '../words.ts'

/** The signed receipt as the two files that `drydock receipt export` writes; that it was taken out is audited. */
export function Receipt({ record }: { record: Import }): ReactNode {
  const [fault, setFault] = useState<Fault | null>(null)
  const ask = (query: { export?: 'true' }) => answerOf(api.GET('/api/v1/imports/{id}/receipt', { params: { path: { id: record.id }, query } }))
  const { data } = useAnswer(async () => await ask({}), `receipt ${record.id}`, { concerns: () => false, everyMs: null })
  const name = `receipt-${commandName(record)}.json`
  const take = async (part: 'receipt' | 'signature'): Promise<void> => {
    setFault(null)
    try {
      save(part === 'receipt' ? name : `${name}.asc`, (await ask({ export: 'true' }))[part])
    } catch (failure) {
      setFault(faultFrom(failure))
    }
  }
  return (
    <Section title="Receipt" note={`generation ${record.generation} of the mirrors`}>
      <p>Signed by this appliance: what it now holds. Take both files to the other side, and the next bundle need only hold what is new there. Receipt <Digest value={record.receipt} /></p>
      <Group gap="xs" mb="sm">
        <Button size="xs" onClick={() => void take('receipt')}>Download {name}</Button>
        <Button size="xs" variant="light" onClick={() => void take('signature')}>Download {name}.asc</Button>
      </Group>
      <FaultBox fault={fault} />
      {data === undefined ? null : <pre className="log" tabIndex={0} aria-label="receipt">{pretty(data.receipt)}</pre>}
      <div className="commands">
        <div><span className="soft">check</span><Command line={`gpg --verify ${name}.asc ${name}`} /></div>
        <div><span className="soft">the same</span><Command line={`drydock receipt export ${commandName(record)}`} /></div>
      </div>
    </Section>
  )
}

/** Only to look at; the file keeps the bytes that were signed. */
function pretty(receipt: string): string {
  try {
    return JSON.stringify(JSON.parse(receipt), null, 2)
  } catch {
    return receipt
  }
}
