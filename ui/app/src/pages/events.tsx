import { TextInput } from '@mantine/core'
import { useState, type ReactNode } from 'react'
import { useLive } from '../live-events.tsx'
import { Command } from '../parts/facts.tsx'
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
    <>
      <h1>Events</h1>
      <p className="question">What happened, who did it?</p>
      <TextInput label="Filter the last 500" placeholder="pool.healthy, lin-3, ana …" value={words} onChange={event => setWords(event.currentTarget.value)} mb="md" />
      <Timeline events={shown} empty={wanted.length === 0 ? 'Nothing has happened yet.' : 'No event holds all these words.'} />
      <Command line="drydock events --follow" />
    </>
  )
}
