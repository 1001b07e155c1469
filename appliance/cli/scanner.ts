import type { Command } from 'commander'
import { answerOf, openAppliance } from './appliance.ts'
import { listOptions, printList } from './table.ts'

export function register(program: Command): void {
  const noun = program.command('scanner').description('Who looks at what comes in, before anybody can approve it. They are named in drydock.yaml.')
  listOptions(noun.command('list').description('All of them, and how old ClamAV\'s definitions are.')).action(async (_options: unknown, command: Command) => {
    const { client } = await openAppliance()
    printList(command, await answerOf(client.GET('/api/v1/scanners')), {
      name: row => row.name,
      state: row => row.state,
      version: row => row.version || '–',
      definitions: row => row.definitions?.version ?? '–',
      age: row => (row.definitions === undefined || row.definitions === null ? '–' : `${row.definitions.ageDays} ${row.definitions.ageDays === 1 ? 'day' : 'days'}`),
    }, 'no scanner: install clamav, or name one in drydock.yaml')
  })
}
