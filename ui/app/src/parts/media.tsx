import { Anchor } from '@mantine/core'
import type { ReactNode } from 'react'
import { Link } from 'react-router'
import { answerOf, api, idempotencyKey, type Medium } from '../api.ts'
import { useSession } from '../session.ts'
import { urls } from '../urls.ts'
import { useAnswer } from '../use-answer.ts'
import { bytes, plain } from '../words.ts'
import { ActionButton } from './confirm.tsx'
import { FaultBox, StateBadge } from './facts.tsx'
import { Section } from './page.tsx'
import { Rows } from './rows.tsx'

type Bundle = Medium['bundles'][number]

/** What somebody may have to do something about comes first. */
const ASKS: readonly Bundle['state'][] = ['importing', 'waiting', 'failed', 'new', 'refused', 'done']
/** Of each medium, until more are asked for: what came in stands below. */
const FIRST = 8

const KINDS: Record<Medium['kind'], string> = { removable: 'medium', 'watch-folder': 'watch folder', 'media-root': 'folder' }

/** Sticks, discs and folders that bundles are read from: what lies on each, and what became of it. */
export function Media({ onBrought }: { onBrought: () => void }): ReactNode {
  const { data, fault, reload } = useAnswer(() => answerOf(api.GET('/api/v1/media')), 'media', { concerns: event => event.type.startsWith('media.') || event.type.startsWith('import.') })
  if (data === undefined) return <FaultBox fault={fault} />
  return data.map(medium => (
    <Section key={medium.id} title={medium.kind === 'removable' && medium.label !== null ? plain(medium.label) : plain(medium.id)} note={aboutOf(medium)}>
      {medium.state === 'ready' ? null : <p><StateBadge state={medium.state} /> {medium.why === null ? '' : plain(medium.why)}{medium.hint === null ? null : <span className="soft"> do: {plain(medium.hint)}</span>}</p>}
      {medium.bundles.length === 0 ? (medium.state === 'ready' ? <p className="soft">No bundle is on it.</p> : null) : (
        <Rows
          label={`bundles on ${plain(medium.id)}`} rows={medium.bundles.toSorted((a, b) => ASKS.indexOf(a.state) - ASKS.indexOf(b.state))} first={FIRST} keyOf={bundle => bundle.source}
          columns={[
            { label: 'File', cell: bundle => <>{bundle.import === null ? plain(bundle.name) : <Anchor component={Link} to={urls.import(bundle.import)} fw={600}>{plain(bundle.name)}</Anchor>}<div className="soft">{whichOf(bundle)}</div></> },
            { label: 'State', cell: bundle => <><StateBadge state={bundle.state} />{bundle.why === null ? null : <div className="soft">{plain(bundle.why)}</div>}</>, className: 'wide' },
            { label: 'Size', cell: bundle => bytes(bundle.size), className: 'numbers' },
            ...(medium.bundles.some(({ state }) => state === 'new') ? [{ label: 'Do', cell: (bundle: Bundle) => (bundle.state === 'new' ? <Bring bundle={bundle} onBrought={() => { reload(); onBrought() }} /> : null) }] : []),
          ]}
        />
      )}
    </Section>
  ))
}

function Bring({ bundle, onBrought }: { bundle: Bundle; onBrought: () => void }): ReactNode {
  const { isOperator } = useSession()
  const run = async (): Promise<void> => {
    await answerOf(api.POST('/api/v1/imports', { body: { path: bundle.source }, headers: idempotencyKey() }))
    onBrought()
  }
  return <ActionButton label="Bring it" title={`Bring ${bundle.name}`} tone="normal" disabled={!isOperator} explain="It is verified and shown; nothing of it is kept before somebody goes on, and nothing enters the mirrors before it is approved." command={`drydock import run --on-appliance '${bundle.source.replaceAll('\'', '\'\\\'\'')}'`} run={run} />
}

function aboutOf(medium: Medium): string {
  return [KINDS[medium.kind], medium.kind === 'removable' ? medium.id : null, medium.fileSystem, medium.serial, medium.size === null ? null : bytes(medium.size)].filter(fact => fact !== null).map(plain).join(' · ')
}

function whichOf({ sequence, volume }: Bundle): string {
  return [sequence === null ? null : `sequence ${sequence}`, volume === null ? null : `volume ${volume}`].filter(fact => fact !== null).join(', ')
}
