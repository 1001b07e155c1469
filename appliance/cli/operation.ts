import type { Command } from 'commander'
import { answerOf, openAppliance } from './appliance.ts'
import { outputOf } from './output.ts'
import { at, listOptions, printList } from './table.ts'

export function register(program: Command): void {
  const noun = program.command('operation').description('Long actions: imports, rollouts, bakes. Each goes on after a crash.')
  listOptions(noun.command('list').description('The newest ones.')).action(async (_options: unknown, command: Command) => {
    const { client } = await openAppliance()
    printList(command, await answerOf(client.GET('/api/v1/operations', { params: { query: {} } })), {
      id: row => row.id,
      kind: row => row.kind,
      subject: row => row.subject,
      state: row => row.state,
      waits: row => row.waitingOn ?? '',
      by: row => row.actor,
      at: row => at(row.createdAt),
      error: row => row.error?.code ?? '',
    }, 'none yet')
  })
  noun
    .command('show')
    .description('One of them.')
    .argument('<id>')
    .action(async (id: string, _options: unknown, command: Command) => {
      const output = outputOf(command)
      const { client } = await openAppliance()
      const operation = await answerOf(client.GET('/api/v1/operations/{id}', { params: { path: { id } } }))
      output.record(operation)
      output.line(`${operation.kind} of ${operation.subject} by ${operation.actor}: ${operation.state}${operation.waitingOn === null ? '' : ` for ${operation.waitingOn}`}`, 'strong')
      if (operation.progress !== null) output.line(`${operation.progress.phase}: ${operation.progress.done} of ${operation.progress.total} ${operation.progress.unit}`)
      if (operation.error !== null) output.line(`${operation.error.message}      ${operation.error.code}`, 'bad')
    })
  noun
    .command('cancel')
    .description('Cancel one. What was done stays consistent.')
    .argument('<id>')
    .action(async (id: string, _options: unknown, command: Command) => {
      const output = outputOf(command)
      const { client } = await openAppliance()
      const operation = await answerOf(client.DELETE('/api/v1/operations/{id}', { params: { path: { id } } }))
      output.line(`${operation.kind} of ${operation.subject}: ${operation.state}`)
      output.record(operation)
    })
}
