import type { Schema } from '../../ui/client/client.ts'
import { eventLine } from '../model/event-line.ts'
import type { Appliance } from './appliance.ts'
import { followOperation, liveEvents } from './follow.ts'
import type { Bar, Output } from './output.ts'
import { short } from './table.ts'

type Pool = Schema<'PoolView'>
type Event = Schema<'Event'>

const LOOK_MS = 1000
/** An operation that said nothing for this long is past its own work and follows the pool. */
const OWN_PROGRESS_MS = 2500
/** Exit code of a program that was ended by Ctrl-C (128 + SIGINT). */
const INTERRUPTED = 130
const WAITS_SHOWN = 1

/**
 * Follows a rollout: its events as lines, beneath them one bar of where the pool stands. Ctrl-C leaves it running.
 * @param after the newest event before it was asked for @throws the operation's error
 */
export async function followRollout(appliance: Appliance, pool: string, operation: string, after: number, output: Output): Promise<void> {
  const stop = new AbortController()
  const began = Date.now()
  let seen = after
  const own: { progress: Bar | null; at: number } = { progress: null, at: 0 }
  const tell = (event: Event): void => {
    if (event.seq <= seen) return
    seen = event.seq
    output.record(event)
    output.line(eventLine(event))
    if (event.type === 'pool.rollback') output.line(`revision ${event.fields['revision']} = revision ${event.fields['to']} (image ${short(String(event.fields['image']))}, here, verified)`)
  }
  const reading = readEvents(appliance, { after, operation }, stop.signal, tell)
  const looking = setInterval(() => void look().catch(() => undefined), LOOK_MS)
  async function look(): Promise<void> {
    const { data } = await appliance.client.GET('/api/v1/pools/{name}', { params: { path: { name: pool } } })
    if (data === undefined || stop.signal.aborted) return
    // Before there is anything to roll out, what is done for it (resolve, bake) is what one waits for.
    if (own.progress !== null && Date.now() - own.at < OWN_PROGRESS_MS) output.progress(own.progress)
    else output.progress(barOf(data, began))
  }
  const interrupted = new Promise<'interrupted'>(resolve => process.once('SIGINT', () => resolve('interrupted')))
  try {
    const ended = await Promise.race([followOperation(appliance, operation, { ...output, progress: progress => Object.assign(own, { progress, at: Date.now() }), done: () => undefined }), interrupted])
    if (ended === 'interrupted') {
      output.done()
      output.note(`(it goes on: drydock pool status ${pool} --watch)`)
      process.exitCode = INTERRUPTED
    }
  } finally {
    clearInterval(looking)
    stop.abort()
    await reading
    output.done()
    // What the stream had not brought yet when the operation ended.
    if (process.exitCode !== INTERRUPTED) {
      const { data } = await appliance.client.GET('/api/v1/events', { params: { query: { after: seen, operation, limit: 1000 } } }).catch(() => ({ data: undefined }))
      for (const event of data ?? []) tell(event)
    }
  }
}

async function readEvents(appliance: Appliance, filter: { after: number; operation: string }, signal: AbortSignal, tell: (event: Event) => void): Promise<void> {
  try {
    for await (const event of liveEvents(appliance, filter, signal)) tell(event)
  } catch {
    // The stream ended with us, or the appliance went away: who asks for the operation says so.
  }
}

/** `63/90 new · 9 draining · 18 old · waits: lin-088 runs job fw-perf#4411 · ETA 2 min 10 s` */
export function barOf(pool: Pool, began: number) {
  const { counts, waits } = pool
  const ready = Math.min(counts.new, counts.ready)
  const seconds = (Date.now() - began) / 1000
  const etaSeconds = ready === 0 || ready >= counts.size || seconds < 5 ? null : Math.round((seconds / ready) * (counts.size - ready))
  const shown = waits.slice(0, WAITS_SHOWN).map(wait => `${wait.node === null ? '' : `${wait.node} `}${wait.on}`)
  const more = waits.length > WAITS_SHOWN ? ` and ${waits.length - WAITS_SHOWN} more` : ''
  const words = [
    `${ready}/${counts.size} new`,
    ...(counts.draining > 0 ? [`${counts.draining} draining`] : []),
    ...(counts.old > 0 ? [`${counts.old} old`] : []),
    ...(shown.length > 0 ? [`waits: ${shown.join(', ')}${more}`] : []),
    ...(etaSeconds === null ? [] : [`ETA ${etaSeconds} s`]),
  ].join(' · ')
  return { phase: pool.state, done: ready, total: counts.size, unit: 'nodes', etaSeconds, words }
}
