import type { Command } from 'commander'
import type { Schema } from '../../ui/client/client.ts'
import { answerOf, openAppliance } from './appliance.ts'
import { outputOf, type Output } from './output.ts'
import { at, listOptions, printList } from './table.ts'

type Dismissal = Schema<'Dismissal'>

/** Exit code of something that waits for a person. */
const WAITING = 4
const OF_LIST = 'as `drydock dismissal list` shows it'
const path = (id: string) => ({ params: { path: { id } } })

export function register(program: Command): void {
  const noun = program
    .command('dismissal')
    .description('Findings of scanners in what is here that are none. One person says so, as many approvers agree as an import needs. It counts for this signature of this scanner in these very bytes, and hides nothing: it is still listed.')
  listOptions(noun.command('list').description('All of them, also those that were turned down or taken back.')).action(async (_options: unknown, command: Command) => {
    const { client } = await openAppliance()
    printList(command, await answerOf(client.GET('/api/v1/scanners/dismissals')), {
      id: row => row.id,
      state: row => (row.state === 'waiting' ? `waiting (${row.approvals.length} of ${row.approvalsNeeded})` : row.state),
      scanner: row => row.scanner,
      found: row => row.what,
      in: row => row.items.join(', '),
      by: row => row.by,
      agreed: row => row.approvals.map(({ user }) => user).join(', ') || '–',
      at: row => at(row.at),
      reason: row => row.closed?.reason ?? row.reason,
    }, 'nobody has called a finding a false alarm')
  })
  noun
    .command('new')
    .description('Say that a finding is a false alarm. Until others agree it alarms as before.')
    .argument('<finding>', 'the id of a finding, as `drydock scanner findings` shows it')
    .requiredOption('--reason <text>', 'how you know; approvers and the audit log read it')
    .action(async (finding: string, { reason }: { reason: string }, command: Command) => {
      const { client } = await openAppliance()
      say(await answerOf(client.POST('/api/v1/scanners/dismissals', { body: { finding, reason } })), outputOf(command))
    })
  noun
    .command('approve')
    .description('Agree that it is one. Not by the one who says it.')
    .argument('<id>', OF_LIST)
    .action(async (id: string, _options: unknown, command: Command) => {
      const { client } = await openAppliance()
      say(await answerOf(client.POST('/api/v1/scanners/dismissals/{id}/approve', path(id))), outputOf(command))
    })
  noun
    .command('reject')
    .description('As an approver: it is none, also after others agreed. It alarms as before.')
    .argument('<id>', OF_LIST)
    .requiredOption('--reason <text>', 'why')
    .action(async (id: string, { reason }: { reason: string }, command: Command) => {
      const { client } = await openAppliance()
      say(await answerOf(client.POST('/api/v1/scanners/dismissals/{id}/reject', { ...path(id), body: { reason } })), outputOf(command))
    })
  noun
    .command('end')
    .description('As an operator: take it back. It alarms as before.')
    .argument('<id>', OF_LIST)
    .requiredOption('--reason <text>', 'why')
    .action(async (id: string, { reason }: { reason: string }, command: Command) => {
      const { client } = await openAppliance()
      say(await answerOf(client.POST('/api/v1/scanners/dismissals/{id}/end', { ...path(id), body: { reason } })), outputOf(command))
    })
}

/** How it stands now and who must do what; what waits has exit code 4. */
function say(alarm: Dismissal, output: Output): void {
  const { id, state, text, by, approvals, approvalsNeeded } = alarm
  output.line(text)
  if (state === 'dismissed') output.line(`dismissed: it alarms no more, and is still listed; take it back with drydock dismissal end ${id} --reason …`, 'good')
  else if (state === 'waiting') output.line(`waits for an approver other than ${by} (${approvals.length} of ${approvalsNeeded}): drydock dismissal approve ${id}`, 'strong')
  else output.line('it alarms as before', 'bad')
  output.record(alarm)
  if (state === 'waiting') process.exitCode = WAITING
}
