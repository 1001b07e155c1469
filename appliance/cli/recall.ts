import type { Command } from 'commander'
import type { Schema } from '../../ui/client/client.ts'
import { answerOf, openAppliance } from './appliance.ts'
import { outputOf } from './output.ts'
import { at, listOptions, printList } from './table.ts'

type RecallView = Schema<'RecallView'>

export function register(program: Command): void {
  const noun = program.command('recall').description('What was withdrawn: blocked in every mirror and generation, never taken in again, and named wherever it is.')
  listOptions(noun.command('list').description('All recalls with what they hit here, lifted ones too.')).action(async (_options: unknown, command: Command) => {
    const { client } = await openAppliance()
    printList(command, await answerOf(client.GET('/api/v1/recalls')), {
      recall: row => row.id,
      severity: row => row.severity,
      state: row => (row.lifted === null ? 'in force' : 'lifted'),
      since: row => at(row.at),
      items: row => hits(row, 'item').length,
      images: row => hits(row, 'image').length,
      pools: row => hits(row, 'pool').map(hit => hit.name).join(', ') || '–',
      nodes: row => hits(row, 'node').length,
      reason: row => row.reason,
    }, 'nothing was recalled')
  })
  noun
    .command('show')
    .description('One recall: why, what, what to use instead, and everything here that has it.')
    .argument('<id>', 'as `drydock recall list` shows it')
    .action(async (id: string, _options: unknown, command: Command) => {
      const output = outputOf(command)
      const { client } = await openAppliance()
      const recall = await answerOf(client.GET('/api/v1/recalls/{id}', { params: { path: { id } } }))
      output.record(recall)
      output.line(`${recall.id}, ${recall.severity}, ${recall.lifted === null ? `in force since ${at(recall.at)} UTC` : `lifted ${at(recall.lifted.at)} UTC: ${recall.lifted.reason}`}`, recall.lifted === null ? 'bad' : 'plain')
      output.line(`reason     ${recall.reason}`)
      if (recall.replacement !== null) output.line(`instead    ${recall.replacement}`)
      for (const [k, what] of [...recall.items, ...recall.digests].entries()) output.line(`${k === 0 ? 'withdraws' : '         '}  ${what}`)
      for (const [kind, title] of [['item', 'here'], ['image', 'images'], ['pool', 'pools'], ['node', 'nodes']] as const) {
        for (const [k, hit] of hits(recall, kind).entries()) output.line(`${(k === 0 ? title : '').padEnd(10)} ${hit.name}${kind === 'item' ? '' : `: ${hit.what}`}`)
      }
      if (recall.hits.length === 0) output.line('here       nothing has it')
    })
}

const hits = (recall: RecallView, kind: RecallView['hits'][number]['kind']): RecallView['hits'] => recall.hits.filter(hit => hit.kind === kind)
