import type { Command } from 'commander'
import { answerOf, openAppliance } from './appliance.ts'
import { countsText } from './counts.ts'
import { byteText } from './output.ts'
import { at, listOptions, printList, short } from './table.ts'
import { wholeNumber } from './whole-number.ts'

export function register(program: Command): void {
  const generations = program.command('generation').description('Generations of the mirrors: every import makes one, and none ever changes.')
  listOptions(generations.command('list').description('All that are kept.')).action(async (_options: unknown, command: Command) => {
    const { client } = await openAppliance()
    printList(command, await answerOf(client.GET('/api/v1/generations')), {
      generation: row => row.generation,
      served: row => (row.current ? 'yes' : ''),
      at: row => at(row.at),
      holds: row => countsText(Object.entries(row.counts)),
    }, 'no generation yet')
  })
  const mirror = program.command('mirror').description('What the mirrors hold.')
  listOptions(mirror.command('search').description('Search the served generation: every word must be part of name, version or kind.').argument('[words...]', 'like: numpy 1.26'))
    .option('--limit <n>', 'at most this many', wholeNumber, 100)
    .action(async (words: string[], options: { limit: number }, command: Command) => {
      const { client } = await openAppliance()
      printList(command, await answerOf(client.GET('/api/v1/mirrors/search', { params: { query: { q: words.join(' '), limit: options.limit } } })), {
        kind: row => row.kind,
        name: row => row.name,
        version: row => row.version,
        variant: row => row.variant ?? '',
        size: row => byteText(row.size),
        digest: row => short(row.digests[0]),
      }, 'nothing of that name came in; `drydock import list` shows what did')
    })
}
