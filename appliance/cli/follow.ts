import type { Schema } from '../../ui/client/client.ts'
import { DrydockError } from '../core/error.ts'
import { answerOf, errorFrom, reach, type Appliance } from './appliance.ts'
import type { Output } from './output.ts'

type Operation = Schema<'Operation'>
type Event = Schema<'Event'>

const FIRST_LOOK_MS = 150
const LONGEST_LOOK_MS = 1000
/** Looks after which it is said that nothing happens yet. */
const QUEUED_LOOKS = 5
const ENDED = ['succeeded', 'failed', 'cancelled']

/** Looks at an operation until `until` holds, showing its progress. @throws the operation's own error when it failed. */
export async function followOperation(appliance: Appliance, id: string, output: Output, until: (operation: Operation) => boolean = () => false): Promise<Operation> {
  let queued = 0
  for (let pause = FIRST_LOOK_MS; ; pause = Math.min(LONGEST_LOOK_MS, pause * 1.5)) {
    const operation = await answerOf(appliance.client.GET('/api/v1/operations/{id}', { params: { path: { id } } }))
    if (operation.progress !== null && operation.state === 'running') output.progress(operation.progress)
    if (operation.state === 'queued' && ++queued === QUEUED_LOOKS) output.line(`waits for its turn: another ${operation.kind} is under way`, 'dim')
    if (ENDED.includes(operation.state) || until(operation)) {
      output.done()
      if (operation.state === 'failed') throw errorFrom(operation.error, 500)
      if (operation.state === 'cancelled') throw new DrydockError('DD-CLI-014', `expected ${operation.kind} of ${operation.subject} to finish, found it cancelled`, 'start it again if that was not meant')
      return operation
    }
    await sleep(pause)
  }
}

/** The number of the newest event: what comes behind it is new. */
export async function lastEvent({ client }: Appliance): Promise<number> {
  return (await answerOf(client.GET('/api/v1/events', { params: { query: { limit: 1 } } }))).at(-1)?.seq ?? 0
}

/** Events as they come, with replay; when the stream breaks it goes on behind the last one, for as long as the appliance can be reached. */
export async function* liveEvents(appliance: Appliance, filter: { after: number; subject?: string; operation?: string }, signal: AbortSignal): AsyncGenerator<Event> {
  let { after } = filter
  while (!signal.aborted) {
    const query = new URLSearchParams({ after: String(after), ...(filter.subject === undefined ? {} : { subject: filter.subject }), ...(filter.operation === undefined ? {} : { operation: filter.operation }) })
    const response = await reach(appliance.url, () => fetch(`${appliance.url}/api/v1/events/stream?${query.toString()}`, { headers: { authorization: `Bearer ${appliance.token}` }, signal }))
    if (!response.ok || response.body === null) throw errorFrom(await response.json().catch(() => undefined), response.status)
    try {
      let text = ''
      for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
        text += chunk
        for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
          const data = /^data: (.*)$/m.exec(text.slice(0, end))?.[1]
          text = text.slice(end + 2)
          if (data === undefined) continue
          const event = JSON.parse(data) as Event
          after = event.seq
          yield event
        }
      }
    } catch (failure) {
      if (signal.aborted || failure instanceof SyntaxError) throw failure
    }
    await sleep(LONGEST_LOOK_MS)
  }
}

export function sleep(milliseconds: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, milliseconds))
}
