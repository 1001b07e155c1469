import type { Command } from 'commander'
import { eventLine } from '../model/event-line.ts'
import { answerOf, openAppliance } from './appliance.ts'
import { lastEvent, liveEvents } from './follow.ts'
import { outputOf } from './output.ts'
import { wholeNumber } from './whole-number.ts'

export function register(program: Command): void {
  program
    .command('events')
    .description('What happened, oldest first; with --follow also what happens, until Ctrl-C.')
    .option('--follow', 'go on with what happens now')
    .option('--after <seq>', 'only what came behind this number', wholeNumber)
    .option('--subject <subject>', 'only about this: pool:NAME, node:NAME, import:7, or a beginning with * behind it')
    .option('--limit <n>', 'the newest so many', wholeNumber, 50)
    .action(async (options: { follow?: true; after?: number; subject?: string; limit: number }, command: Command) => {
      const output = outputOf(command)
      const appliance = await openAppliance()
      const about = options.subject === undefined ? {} : { subject: options.subject }
      const query = { ...about, ...(options.after === undefined ? {} : { after: options.after }), limit: options.limit }
      const newest = await lastEvent(appliance)
      const past = await answerOf(appliance.client.GET('/api/v1/events', { params: { query } }))
      for (const event of past) {
        output.line(eventLine(event))
        output.record(event)
      }
      if (options.follow !== true) return
      const stop = new AbortController()
      process.once('SIGINT', () => {
        process.exitCode = 130
        stop.abort()
      })
      for await (const event of liveEvents(appliance, { ...about, after: Math.max(newest, past.at(-1)?.seq ?? 0) }, stop.signal)) {
        output.line(eventLine(event))
        output.record(event)
      }
    })
}
