import { TextInput } from '@mantine/core'
import { useState, type ReactNode } from 'react'
import { useLive } from '../live-events.tsx'
import { Command } from '../parts/facts.tsx'
import { Page, Section } from '../parts/page.tsx'
import { Timeline } from '../parts/timeline.tsx'

export function EventsPage(): ReactNode {
  const { events } = useLive()
  const [words, setWords] = useState('')
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean)
  const shown = events.filter(event => {
    const line = `${event.type} ${event.subject} ${event.actor} ${JSON.stringify(event.fields)}`.toLowerCase()
    return wanted.every(word => line.includes(word))
  })
  return (
    <Page title="Events" question="What happened, who did it?">
      <TextInput label="Filter" placeholder="pool.healthy, lin-3, ana …" value={words} onChange={event => setWords(event.currentTarget.value)} />
      <Section title="Time line" note={wanted.length === 0 ? `the last ${events.length}` : `${shown.length} of the last ${events.length}`}>
        <Timeline events={shown} empty={wanted.length === 0 ? 'Nothing has happened yet.' : 'No event holds all these words.'} />
      </Section>
      <div className="commands">
        <div><span className="soft">all of it</span><Command line="drydock events --follow" /></div>
        <div><span className="soft">who did it</span><Command line="drydock audit list" /></div>
      </div>
    </Page>
  )
}
