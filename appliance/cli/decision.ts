import type { Command } from 'commander'
import type { Schema } from '../../ui/client/client.ts'
import { answerOf, openAppliance } from './appliance.ts'
import { outputOf, type Output } from './output.ts'
import { at, listOptions, printList } from './table.ts'

/** Exit code of something that waits for a person. */
const WAITING = 4

export function register(program: Command): void {
  const noun = program.command('decision').description('What one admin has asked for and another one must confirm: another floor of trusted time, or a trust that a backup brought back.')
  listOptions(noun.command('list').description('Decisions that wait for a second admin; each for an hour.')).action(async (_options: unknown, command: Command) => {
    const { client } = await openAppliance()
    printList(command, await answerOf(client.GET('/api/v1/decisions')), {
      id: row => row.id,
      kind: row => row.kind,
      says: row => row.says,
      by: row => row.askedBy,
      until: row => at(row.expiresAt),
    }, 'nothing waits for a second admin')
  })
  noun
    .command('confirm')
    .description('Agree to what another admin has asked for; it is done then.')
    .argument('<id>', 'as `drydock decision list` shows it')
    .action(async (id: string, _options: unknown, command: Command) => {
      const output = outputOf(command)
      const { client } = await openAppliance()
      const decision = await answerOf(client.POST('/api/v1/decisions/{id}/confirm', { params: { path: { id } } }))
      output.line(`done, asked for by ${decision.askedBy}: ${decision.says}`, 'good')
      output.record(decision)
    })
  noun
    .command('withdraw')
    .description('Take it back before it is confirmed.')
    .argument('<id>', 'as `drydock decision list` shows it')
    .action(async (id: string, _options: unknown, command: Command) => {
      const output = outputOf(command)
      const { client } = await openAppliance()
      await answerOf(client.DELETE('/api/v1/decisions/{id}', { params: { path: { id } } }))
      output.line('withdrawn')
      output.record({ id, withdrawn: true })
    })
}

/** What was asked for, who must do what, and exit code 4. */
export function sayDecision(decision: Schema<'Decision'>, output: Output): void {
  output.line(decision.says)
  output.line(`waits for another admin than ${decision.askedBy}, until ${at(decision.expiresAt)} UTC: drydock decision confirm ${decision.id}`, 'strong')
  output.record(decision)
  process.exitCode = WAITING
}
