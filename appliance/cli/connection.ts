import type { Command } from 'commander'
import { DrydockError } from '../core/error.ts'
import { answerOf, openAppliance } from './appliance.ts'
import { readNamedFile } from './named-file.ts'
import { outputOf } from './output.ts'
import { listOptions, printList } from './table.ts'

export function register(program: Command): void {
  const hypervisors = program.command('hypervisor').description('Where runners live.')
  hypervisors
    .command('add')
    .description('Add or replace a hypervisor.')
    .argument('<name>')
    .requiredOption('--kind <kind>', 'qemu (on the appliance itself) or sim (simulated)')
    .option('--option <key=value...>', 'an option of the driver; the value may be JSON')
    .action(async (name: string, options: { kind: string; option?: string[] }, command: Command) => {
      const output = outputOf(command)
      const { client } = await openAppliance()
      await answerOf(client.POST('/api/v1/hypervisors', { body: { name, kind: options.kind as 'qemu', options: Object.fromEntries((options.option ?? []).map(pair)) } }))
      output.line(`hypervisor ${name} (${options.kind}) is known now: drydock hypervisor list`)
      output.record({ name, kind: options.kind })
    })
  listOptions(hypervisors.command('list').description('All of them, and whether they answer.')).action(async (_options: unknown, command: Command) => {
    const { client } = await openAppliance()
    printList(command, await answerOf(client.GET('/api/v1/hypervisors')), {
      name: row => row.name,
      kind: row => row.kind,
      reachable: row => (row.reachable ? 'yes' : 'no'),
      acceleration: row => row.acceleration ?? '–',
      cpus: row => row.cpus ?? '–',
      memory: row => (row.memoryMiB === null ? '–' : `${row.memoryMiB} MiB`),
      disk: row => (row.diskFreeMiB === null ? '–' : `${row.diskFreeMiB} MiB free`),
      says: row => [row.says, ...row.notes].join('; '),
    }, 'none yet: drydock hypervisor add local --kind qemu')
  })
  const cis = program.command('ci').description('CI servers that runners work for.')
  cis
    .command('add')
    .description('Add or replace a CI server.')
    .argument('<name>')
    .requiredOption('--kind <kind>', 'sim')
    .requiredOption('--url <url>', 'its address, as the appliance reaches it')
    .option('--token-file <file>', 'what the CI server wants from us (else DRYDOCK_CI_TOKEN); kept encrypted, never shown again')
    .option('--option <key=value...>', 'an option of the connector; the value may be JSON')
    .action(async (name: string, options: { kind: string; url: string; tokenFile?: string; option?: string[] }, command: Command) => {
      const output = outputOf(command)
      const { client } = await openAppliance()
      const token = options.tokenFile === undefined ? process.env['DRYDOCK_CI_TOKEN'] : (await readNamedFile(options.tokenFile, 'the token of the CI server')).trim()
      const extra = { ...(token === undefined || token === '' ? {} : { token }), ...(options.option === undefined ? {} : { options: Object.fromEntries(options.option.map(pair)) }) }
      await answerOf(client.POST('/api/v1/ci', { body: { name, kind: options.kind as 'sim', url: options.url, ...extra } }))
      output.line(`CI server ${name} (${options.kind}) is known now: drydock ci list`)
      output.record({ name, kind: options.kind, url: options.url })
    })
  listOptions(cis.command('list').description('All of them, and whether they answer.')).action(async (_options: unknown, command: Command) => {
    const { client } = await openAppliance()
    printList(command, await answerOf(client.GET('/api/v1/ci')), { name: row => row.name, kind: row => row.kind, url: row => row.url, reachable: row => (row.reachable ? 'yes' : 'no'), says: row => row.says }, 'none yet: drydock ci add NAME --kind sim --url URL')
  })
}

/** `memory=4096` is a number, `name=x` a text. */
function pair(text: string): [string, unknown] {
  const [, key, value] = /^([A-Za-z][\w-]*)=(.*)$/s.exec(text) ?? []
  if (key === undefined || value === undefined) throw new DrydockError('DD-CLI-002', `expected --option key=value, found ${JSON.stringify(text)}`, 'like: --option memoryMiB=4096')
  try {
    return [key, JSON.parse(value)]
  } catch {
    return [key, value]
  }
}
