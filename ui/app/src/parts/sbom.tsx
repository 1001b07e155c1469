import { Button } from '@mantine/core'
import { useState, type ReactNode } from 'react'
import { answerOf, api, faultFrom, type Fault, type Import } from '../api.ts'
import { Command, FaultBox } from './facts.tsx'
import { Section } from './page.tsx'
import { save } from './save.ts'
import { commandName } from '../words.ts'

/** What the bundle holds as CycloneDX, the same bytes that the sender has. */
export function Sbom({ record }: { record: Import }): ReactNode {
  const [fault, setFault] = useState<Fault | null>(null)
  const [busy, setBusy] = useState(false)
  const number = commandName(record)
  const name = `sbom-${number}.cdx.json`
  const take = async (): Promise<void> => {
    setFault(null)
    setBusy(true)
    try {
      save(name, String(await answerOf(api.GET('/api/v1/imports/{id}/sbom', { params: { path: { id: record.id } }, parseAs: 'text' }))))
    } catch (failure) {
      setFault(faultFrom(failure))
    } finally {
      setBusy(false)
    }
  }
  return (
    <Section title="SBOM" note="CycloneDX 1.6">
      <p>Everything in this bundle with versions, digests, licences and package URLs, as the sender’s copy has it, byte for byte.</p>
      <p><Button size="xs" variant="light" loading={busy} onClick={() => void take()}>Download {name}</Button></p>
      <FaultBox fault={fault} />
      <div className="commands"><div><span className="soft">the same</span><Command line={`drydock import show ${number} --sbom ${name}`} /></div></div>
    </Section>
  )
}
