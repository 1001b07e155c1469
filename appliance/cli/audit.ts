import type { Command } from 'commander'
import { writeDurably } from '../core/durable-file.ts'
import { answerOf, openAppliance } from './appliance.ts'
import { outputOf } from './output.ts'
import { at, listOptions, printList } from './table.ts'
import { wholeNumber } from './whole-number.ts'

export function register(program: Command): void {
  const noun = program.command('audit').description('Who did what, and what was refused: a chain that cannot be changed unnoticed.')
  listOptions(noun.command('list').description('The newest records, oldest first.'))
    .option('--after <seq>', 'those behind this number', wholeNumber)
    .option('--limit <n>', 'at most so many', wholeNumber, 50)
    .action(async (options: { after?: number; limit: number }, command: Command) => {
      const { client } = await openAppliance()
      const query = { limit: options.limit, ...(options.after === undefined ? {} : { after: options.after }) }
      printList(command, await answerOf(client.GET('/api/v1/audit', { params: { query } })), {
        seq: row => row.seq,
        at: row => at(row.at),
        actor: row => row.actor,
        outcome: row => row.outcome,
        action: row => row.action,
        subject: row => row.subject,
        facts: row => Object.entries(row.fields).map(([name, value]) => `${name}=${String(value)}`).join(' '),
      }, 'empty')
    })
  noun
    .command('export')
    .description('Write the whole log with its signed heads to a file, for `drydock audit verify` on another machine. That it was taken out is in it.')
    .argument('<file>', 'like audit-site-a.ndjson')
    .action(async (file: string, _options: unknown, command: Command) => {
      const output = outputOf(command)
      const { client } = await openAppliance()
      const text = await answerOf(client.GET('/api/v1/audit/export', { parseAs: 'text' }))
      const digest = await writeDurably(file, text, { mode: 0o644 })
      const lines = text.split('\n').length - 1
      output.line(`${file}: ${lines} lines, ${digest}`)
      output.line(`check it on another machine: drydock audit verify ${file} --key appliance.asc`, 'dim')
      output.record({ file, lines, digest })
    })
}
