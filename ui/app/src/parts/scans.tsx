import type { ReactNode } from 'react'
import type { Import } from '../api.ts'
import { duration, plain } from '../words.ts'
import { At } from './facts.tsx'
import { Section } from './page.tsx'
import { Rows } from './rows.tsx'

type Scan = NonNullable<Import['scans']>[number]
type Scanner = NonNullable<NonNullable<Import['preflight']>['scanners']>[number]

/** Who looked at the bytes, or will; that nobody does is said as plainly. */
export function Scans({ record }: { record: Import }): ReactNode {
  const known = record.preflight?.scanners ?? []
  const { scans } = record
  if (scans === undefined && !['verified', 'parked', 'staging'].includes(record.state)) return null
  return (
    <Section title="Scanners" note={scans === undefined ? 'they look when it is taken in' : 'what they said stands under Findings'}>
      {scans === undefined || scans.length === 0 ? <Known known={known} scanned={scans !== undefined} /> : (
        <Rows
          label="scanners" rows={scans} keyOf={scan => scan.scanner}
          columns={[
            { label: 'Scanner', cell: scan => <><b>{plain(scan.scanner)}</b> {plain(scan.version)}</> },
            { label: 'Definitions', cell: scan => <Age of={scan.definitions} /> },
            { label: 'Files', cell: scan => scan.files, className: 'numbers' },
            { label: 'Took', cell: scan => duration(scan.seconds), className: 'numbers' },
            { label: 'Findings', cell: scan => (scan.findings === 0 ? 'none' : scan.findings), className: 'numbers' },
          ]}
        />
      )}
    </Section>
  )
}

function Known({ known, scanned }: { known: readonly Scanner[]; scanned: boolean }): ReactNode {
  if (known.length === 0) return <p>This appliance has no scanner: nobody looks for viruses. Debian’s clamav is used when it is installed; any other scanner is named in drydock.yaml.</p>
  return known.map(({ name, version, definitions }) => (
    <p key={name}><b>{plain(name)}</b> {plain(version)} {definitions === null ? `${scanned ? 'could not look' : 'cannot look'}: no virus definitions came in a bundle yet` : definitions === undefined ? '' : <>with definitions of <Age of={definitions} /></>}</p>
  ))
}

function Age({ of }: { of: Scan['definitions'] }): ReactNode {
  if (of === undefined || of === null) return <span className="soft">its own</span>
  return <><At iso={of.built} />, {of.ageDays} {of.ageDays === 1 ? 'day' : 'days'} old</>
}
