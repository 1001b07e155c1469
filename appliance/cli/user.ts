import type { Command } from 'commander'
import type { Schema } from '../../ui/client/client.ts'
import { answerOf, openAppliance } from './appliance.ts'
import { outputOf } from './output.ts'
import { passwordFrom } from './password-input.ts'
import { at, listOptions, printList } from './table.ts'

export function register(program: Command): void {
  const noun = program.command('user').description('People. Each has one role: viewer, operator, approver or admin.')
  noun
    .command('add')
    .description('Add a person. Prints a one-time password that they must change at their first sign-in.')
    .argument('<name>')
    .requiredOption('--role <role>', 'viewer, operator, approver or admin')
    .action(async (name: string, { role }: { role: string }, command: Command) => {
      const output = outputOf(command)
      const { client } = await openAppliance()
      const made = await answerOf(client.POST('/api/v1/users', { body: { name, role: role as Schema<'UserView'>['role'] } }))
      output.line(`${made.user.name}, ${made.user.role}; one-time password: ${made.oneTimePassword}`)
      output.record({ name: made.user.name, role: made.user.role, oneTimePassword: made.oneTimePassword })
    })
  listOptions(noun.command('list').description('Everybody who may sign in.')).action(async (_options: unknown, command: Command) => {
    const { client } = await openAppliance()
    printList(command, await answerOf(client.GET('/api/v1/users')), { name: row => row.name, role: row => row.role, password: row => (row.mustChangePassword ? 'one-time' : 'own'), given: row => `${at(row.given.at)}${row.given.by === null ? '' : ` by ${row.given.by}`}`, since: row => at(row.createdAt) }, 'nobody')
  })
  noun
    .command('remove')
    .description('Remove a person with their sessions and tokens.')
    .argument('<name>')
    .action(async (name: string, _options: unknown, command: Command) => {
      const output = outputOf(command)
      const { client } = await openAppliance()
      await answerOf(client.DELETE('/api/v1/users/{name}', { params: { path: { name } } }))
      output.line(`${name} is removed; sessions and tokens have ended`)
      output.record({ name, removed: true })
    })
  noun
    .command('password')
    .description('Change your own password; with a name (admins) give that person a new one-time password.')
    .argument('[name]')
    .option('--password-file <file>', 'the present one (else DRYDOCK_PASSWORD, else it is asked for)')
    .option('--new-password-file <file>', 'the new one (else DRYDOCK_NEW_PASSWORD, else it is asked for)')
    .action(async (name: string | undefined, options: { passwordFile?: string; newPasswordFile?: string }, command: Command) => {
      const output = outputOf(command)
      const appliance = await openAppliance()
      if (name !== undefined && name !== appliance.user) {
        const { oneTimePassword } = await answerOf(appliance.client.POST('/api/v1/users/{name}/password', { params: { path: { name } } }))
        output.line(`one-time password of ${name}: ${oneTimePassword}`)
        return output.record({ name, oneTimePassword })
      }
      const old = await passwordFrom({ file: options.passwordFile, variable: 'DRYDOCK_PASSWORD', prompt: `present password of ${appliance.user}` })
      const fresh = await passwordFrom({ file: options.newPasswordFile, variable: 'DRYDOCK_NEW_PASSWORD', prompt: 'new password (12 characters or more)' })
      await answerOf(appliance.client.POST('/api/v1/session/password', { body: { old, new: fresh } }))
      output.line('changed; your other sessions have ended')
      output.record({ name: appliance.user, changed: true })
    })
}
