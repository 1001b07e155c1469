import type { Command } from 'commander'
import type { Schema } from '../../ui/client/client.ts'
import { answerOf, openAppliance } from './appliance.ts'
import { outputOf } from './output.ts'
import { at, listOptions, printList } from './table.ts'
import { wholeNumber } from './whole-number.ts'

export function register(program: Command): void {
  const noun = program.command('token').description('Tokens for programs, in your own name: Authorization: Bearer …')
  noun
    .command('new')
    .description('Make one. It is shown once.')
    .argument('<label>', 'what it is for')
    .option('--role <role>', 'the most it may do; at most your own role')
    .option('--hours <n>', 'how long it is good', wholeNumber, 24)
    .action(async (label: string, options: { role?: string; hours: number }, command: Command) => {
      const output = outputOf(command)
      const { client } = await openAppliance()
      const body = { label, hours: options.hours, ...(options.role === undefined ? {} : { role: options.role as Schema<'TokenView'>['role'] }) }
      const { token, credential } = await answerOf(client.POST('/api/v1/tokens', { body }))
      output.line(credential)
      output.record({ ...token, credential })
      output.note(`${token.label}: ${token.role} until ${at(token.expiresAt)} UTC; it is not shown again`)
    })
  listOptions(noun.command('list').description('Yours; as an admin everybody\'s.')).action(async (_options: unknown, command: Command) => {
    const { client } = await openAppliance()
    printList(command, await answerOf(client.GET('/api/v1/tokens')), { id: row => row.id, user: row => row.user, label: row => row.label, role: row => row.role, made: row => at(row.createdAt), expires: row => at(row.expiresAt) }, 'none')
  })
  noun
    .command('revoke')
    .description('End one at once.')
    .argument('<id>')
    .action(async (id: string, _options: unknown, command: Command) => {
      const output = outputOf(command)
      const { client } = await openAppliance()
      await answerOf(client.DELETE('/api/v1/tokens/{id}', { params: { path: { id } } }))
      output.line(`${id} is revoked`)
      output.record({ id, revoked: true })
    })
}
