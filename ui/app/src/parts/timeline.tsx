import { Text, Tooltip } from '@mantine/core'
import type { ReactNode } from 'react'
import type { DrydockEvent } from '../api.ts'
import { clock, plain } from '../words.ts'

/** The events' lines, as the command line prints them; newest first. */
export function Timeline({ events, empty }: { events: readonly DrydockEvent[]; empty: string }): ReactNode {
  if (events.length === 0) return <Text size="sm" c="dimmed">{empty}</Text>
  return (
    <ol className="timeline" aria-label="events, newest first">
      {events.toReversed().map(event => (
        <li key={event.seq}>
          <Tooltip label={`${event.at} (UTC) · by ${plain(event.actor)} · no. ${event.seq}`}>
            <time dateTime={event.at}>{clock(event.at)}</time>
          </Tooltip>
          <b>{event.type}</b>
          <span>
            {Object.entries(event.fields).map(([name, value]) => (
              <span key={name} className="field">
                {name}={plain(String(value))}
              </span>
            ))}
          </span>
        </li>
      ))}
    </ol>
  )
}
