import type { Command } from 'commander'
import { answerOf, openAppliance } from './appliance.ts'
import { outputOf } from './output.ts'
import { at, listOptions, printList, short } from './table.ts'

export function register(program: Command): void {
  const noun = program.command('node').description('Single runners.')
  listOptions(noun.command('list').description('Every runner that is there or on its way.'))
    .option('--pool <name>', 'only those of one pool')
    .option('--gone', 'also those that are no more')
    .action(async (options: { pool?: string; gone?: true }, command: Command) => {
      const { client } = await openAppliance()
      const query = { ...(options.pool === undefined ? {} : { pool: options.pool }), ...(options.gone === undefined ? {} : { gone: 'true' as const }) }
      printList(command, await answerOf(client.GET('/api/v1/nodes', { params: { query } })), {
        name: row => row.name,
        pool: row => row.pool,
        revision: row => row.revision,
        phase: row => row.phase,
        since: row => at(row.phaseSince),
        hypervisor: row => row.hypervisor,
        image: row => short(row.image),
        jobs: row => row.jobs.join(', ') || '–',
        boot: row => (row.bootSeconds === null ? '–' : `${row.bootSeconds.toFixed(1)} s`),
        waits: row => row.failure ?? row.waitsFor ?? '',
      }, 'no runner yet: drydock pool apply NAME')
    })
  noun
    .command('show')
    .description('One runner.')
    .argument('<name>')
    .action(async (name: string, _options: unknown, command: Command) => {
      const output = outputOf(command)
      const { client } = await openAppliance()
      const node = await answerOf(client.GET('/api/v1/nodes/{name}', { params: { path: { name } } }))
      output.record(node)
      output.line(`${node.name} of ${node.pool}, revision ${node.revision}: ${node.phase} since ${at(node.phaseSince)} UTC`, 'strong')
      output.line(`image      ${node.image}`)
      output.line(`runs on    ${node.hypervisor}, boot ${node.bootId ?? 'not heard of yet'}${node.bootSeconds === null ? '' : `, ${node.bootSeconds.toFixed(1)} s to the first heartbeat`}`)
      output.line(`heartbeat  ${at(node.heartbeatAt)}`)
      output.line(`jobs       ${node.jobs.join(', ') || 'none'}`)
      if (node.waitsFor !== null) output.line(`waits for  ${node.waitsFor}`)
      if (node.failure !== null) output.line(`failed     ${node.failure}`, 'bad')
    })
  noun
    .command('diff')
    .description('What differs between two runners, fact by fact: image, layers, packages, environment, kernel, CPU.')
    .argument('<a>')
    .argument('<b>')
    .action(async (a: string, b: string, _options: unknown, command: Command) => {
      const output = outputOf(command)
      const { client } = await openAppliance()
      const diff = await answerOf(client.GET('/api/v1/nodes/diff', { params: { query: { a, b } } }))
      output.record(diff)
      if (diff.differences.length === 0) output.line(`${a} and ${b} are the same in every fact that they measured`, 'good')
      for (const one of diff.differences) output.line(`${one.fact.padEnd(32)} ${one.a ?? '–'} → ${one.b ?? '–'}`)
    })
  noun
    .command('console')
    .description('The last part of a runner\'s console log.')
    .argument('<name>')
    .action(async (name: string, _options: unknown, command: Command) => {
      const output = outputOf(command)
      const { client } = await openAppliance()
      const { text } = await answerOf(client.GET('/api/v1/nodes/{name}/console', { params: { path: { name } } }))
      output.record({ name, text })
      for (const line of text.split(/\r*\n/)) output.line(line)
    })
}
