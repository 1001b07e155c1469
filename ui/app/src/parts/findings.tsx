import { Badge } from '@mantine/core'
import type { ReactNode } from 'react'
import type { Preflight } from '../api.ts'
import { plain } from '../words.ts'
import { StateBadge } from './facts.tsx'
import { Section } from './page.tsx'
import { Rows } from './rows.tsx'

type Finding = Preflight['findings'][number]

const GROUPS = [
  { severity: 'blocker', says: (count: number) => (count === 1 ? 'stops it' : 'stop it') },
  { severity: 'warning', says: () => 'to weigh before it is approved' },
  { severity: 'note', says: () => 'good to know' },
] as const satisfies readonly { severity: Finding['severity']; says: (count: number) => string }[]

/** What speaks against it, the gravest first. */
export function Findings({ findings, scanned }: { findings: readonly Finding[]; scanned: boolean }): ReactNode {
  return (
    <Section title="Findings" note={scanned ? 'computed from the bytes' : 'before it was scanned'}>
      {findings.length === 0 ? <p>{scanned ? 'None.' : 'None so far. Scripts and contents are looked at when it is taken in.'}</p> : null}
      {GROUPS.map(({ severity, says }) => {
        const rows = findings.filter(finding => finding.severity === severity)
        if (rows.length === 0) return null
        return (
          <div key={severity} className="group">
            <h3><StateBadge state={severity} /> {rows.length} {says(rows.length)}</h3>
            <Rows
              label={`findings: ${severity}`} rows={rows} keyOf={one => one.code + one.item + one.text}
              columns={[
                { label: 'Item', cell: one => plain(one.item) },
                { label: 'What', cell: one => <>{plain(one.text)}{one.claimed ? <div><Badge variant="default" tt="none" className="state">claimed</Badge> <span className="soft">by the sender; checked again before approval</span></div> : null}</>, className: 'wide' },
                { label: 'Kind', cell: one => <span className="mono">{one.code}</span> },
              ]}
            />
          </div>
        )
      })}
    </Section>
  )
}
