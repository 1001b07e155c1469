import type { Command } from 'commander'
import { answerOf, openAppliance } from './appliance.ts'
import { sayDecision } from './decision.ts'
import { outputOf } from './output.ts'
import { at } from './table.ts'

export function register(program: Command): void {
  const noun = program.command('clock').description('Trusted time: the clock of the machine, but never before what the appliance has already seen.')
  noun
    .command('show')
    .description('The machine\'s clock, trusted time, its floor and where that comes from.')
    .action(async (_options: unknown, command: Command) => {
      const output = outputOf(command)
      const { client } = await openAppliance()
      const clock = await answerOf(client.GET('/api/v1/clock'))
      output.record(clock)
      output.line(`machine    ${at(clock.wall)} UTC${clock.wrong ? '   before the floor: this clock is wrong, and no bundle is judged' : ''}`, clock.wrong ? 'bad' : 'plain')
      output.line(`trusted    ${at(clock.trusted)} UTC`)
      output.line(`floor      ${at(clock.floor)} UTC, from the build (${at(clock.build)}), the newest bundle (${at(clock.newestBundle)}) and the last audit record before the start (${at(clock.lastAudit)})`)
      if (clock.wrong) output.line('do: correct the machine\'s clock; when the floor is what is wrong: drydock clock reset --to TIME', 'strong')
    })
  noun
    .command('reset')
    .description('Let the floor of trusted time begin again, earlier or later. Another admin must confirm it with `drydock decision confirm`.')
    .requiredOption('--to <time>', 'like 2026-11-21T08:00:00Z')
    .action(async ({ to }: { to: string }, command: Command) => {
      const { client } = await openAppliance()
      sayDecision(await answerOf(client.POST('/api/v1/decisions', { body: { kind: 'clock.reset', to } })), outputOf(command))
    })
}
