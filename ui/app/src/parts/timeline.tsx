import { Text } from '@mantine/core'
import type { ReactNode } from 'react'
import type { DrydockEvent } from '../api.ts'
import { clock, plain, shortDigests } from '../words.ts'

/** The events' lines, as the command line prints them, digests cut; newest first. */
export function Timeline({ events, empty }: { events: readonly DrydockEvent[]; empty: string }): ReactNode {
  if (events.length === 0) return <Text size="sm" className="soft">{empty}</Text>
  return (
    <ol className="timeline" aria-label="events, newest first" tabIndex={0}>
      {events.toReversed().map(event => (
        <li key={event.seq}>
          <time dateTime={event.at} title={`${event.at} (UTC), by ${plain(event.actor)}, no. ${event.seq}`}>{clock(event.at)}</time>
          <b>{event.type}</b>
          <span>
            {Object.entries(event.fields).map(([name, value]) => (
              <span key={name} className="field" title={plain(String(value))}><i>{name}=</i>{shortDigests(plain(String(value)))}</span>
            ))}
          </span>
        </li>
      ))}
    </ol>
  )
}
