import { printable } from '../core/printable.ts'
import type { Event } from './event.ts'

/**
 * The one way an event is printed (design/pools.md): `09:42:03 spec.update   pool=linux-perf-ci diff="python:3.10→3.11 numpy:1.25→1.26"`.
 * UTC. Facts come from outside too, so what could move a cursor or look like another fact is escaped or quoted.
 */
export function eventLine(event: Pick<Event, 'at' | 'type' | 'fields'>): string {
  const facts = Object.entries(event.fields).map(([name, value]) => `${printable(name)}=${fact(String(value))}`)
  return [event.at.slice(11, 19), event.type.padEnd(13), ...facts].join(' ').trimEnd()
}

function fact(value: string): string {
  const shown = printable(value)
  return /[\s"=]/.test(shown) || shown === '' ? `"${shown.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"` : shown
}
