import { createInterface } from 'node:readline/promises'
import { InvalidArgumentError, type Command } from 'commander'
import type { Schema } from '../../ui/client/client.ts'
import { DrydockError } from '../core/error.ts'
import { answerOf, openAppliance, type Appliance } from './appliance.ts'
import { lastEvent, sleep } from './follow.ts'
import { outputOf, type Output } from './output.ts'
import { readPoolFile } from './pool-file.ts'
import { barOf, followRollout } from './rollout.ts'
import { at, listOptions, printList, short } from './table.ts'

type Pool = Schema<'PoolView'>

const WATCH_MS = 1000
const key = () => ({ 'idempotency-key': crypto.randomUUID() })
const pathOf = (name: string) => ({ params: { path: { name } } })

export function register(program: Command): void {
  const noun = program.command('pool').description('Pools of identical runners: declared, changed in revisions, replaced whole.')
  addChanging(noun)
  addRolling(noun)
  addLooking(noun)
}

/** Verbs that change what is declared. */
function addChanging(noun: Command): void {
  noun
    .command('create')
    .description('Make a pool from a file. Nothing runs before it is applied.')
    .argument('<file>', 'YAML or JSON; - is standard input')
    .option('-m, --message <text>', 'why', '')
    .action(async (file: string, { message }: { message: string }, command: Command) => {
      const output = outputOf(command)
      const document = await readPoolFile(file)
      const { client } = await openAppliance()
      const revision = await answerOf(client.POST('/api/v1/pools', { body: { document, message } }))
      output.record({ pool: document.metadata.name, ...revision })
      output.line(`revision ${revision.revision} of ${document.metadata.name}`)
      notApplied(document.metadata.name, output)
    })
  noun
    .command('update')
    .description('Make a new revision: other roles, or a whole new document. Nothing runs before it is applied.')
    .argument('<name>')
    .option('--roles <list>', 'the roles, with commas between, in the order of their layers')
    .option('-f, --file <file>', 'the whole document instead')
    .option('-m, --message <text>', 'why', '')
    .action(async (name: string, options: { roles?: string; file?: string; message: string }, command: Command) => {
      const output = outputOf(command)
      if ((options.roles === undefined) === (options.file === undefined)) throw new DrydockError('DD-CLI-001', 'expected either --roles or --file, found both or neither', 'say what changes: --roles=python-3.11,cmake or --file pool.yaml')
      const { message } = options
      const body = options.file === undefined ? { roles: (options.roles ?? '').split(',').map(role => role.trim()).filter(Boolean), message } : { document: await readPoolFile(options.file), message }
      const { client } = await openAppliance()
      const before = await answerOf(client.GET('/api/v1/pools/{name}', pathOf(name)))
      const revision = await answerOf(client.PATCH('/api/v1/pools/{name}', { ...pathOf(name), body }))
      output.record({ pool: name, ...revision })
      if (revision.revision === before.head) return output.line(`revision ${revision.revision} of ${name} says the same: nothing changed`)
      output.line(`revision ${revision.revision} of ${name} (was ${before.head})${revision.change === '' ? '' : `: ${revision.change}`}`)
      notApplied(name, output)
    })
  noun
    .command('pause')
    .description('No node is made or replaced until it is resumed. Jobs go on.')
    .argument('<name>')
    .requiredOption('--reason <text>', 'why; others see it')
    .action(async (name: string, { reason }: { reason: string }, command: Command) => {
      const { client } = await openAppliance()
      sayState(await answerOf(client.POST('/api/v1/pools/{name}/pause', { ...pathOf(name), body: { reason } })), outputOf(command))
    })
  noun
    .command('resume')
    .description('Go on where it was paused.')
    .argument('<name>')
    .action(async (name: string, _options: unknown, command: Command) => {
      const { client } = await openAppliance()
      sayState(await answerOf(client.POST('/api/v1/pools/{name}/resume', pathOf(name))), outputOf(command))
    })
}

/** Verbs that take their time: each shows the rollout unless --no-wait. */
function addRolling(noun: Command): void {
  noun
    .command('apply')
    .description('Make the newest revision so: resolve, lock, bake, then replace the nodes. Ctrl-C leaves it running.')
    .argument('<name>')
    .option('--no-wait', 'do not follow it')
    .action((name: string, options: { wait: boolean }, command: Command) =>
      roll(name, options.wait, command, ({ client }) => answerOf(client.POST('/api/v1/pools/{name}/apply', { ...pathOf(name), headers: key() }))))
  noun
    .command('rollback')
    .description('Back to the last healthy revision, or to the one named: a new revision with the old lock, whose image is still here.')
    .argument('<name>')
    .option('--to <revision>', 'a revision of drydock pool history', revisionNumber)
    .option('--no-wait', 'do not follow it')
    .action((name: string, options: { to?: number; wait: boolean }, command: Command) =>
      roll(name, options.wait, command, ({ client }) => answerOf(client.POST('/api/v1/pools/{name}/rollback', { ...pathOf(name), body: { to: options.to ?? null }, headers: key() }))))
  noun
    .command('delete')
    .description('Drain and remove every node, then the pool with its history of revisions.')
    .argument('<name>')
    .option('--confirm <name>', 'the name once more, where nobody can be asked')
    .option('--no-wait', 'do not follow it')
    .action(async (name: string, options: { confirm?: string; wait: boolean }, command: Command) => {
      const appliance = await openAppliance()
      const pool = await answerOf(appliance.client.GET('/api/v1/pools/{name}', pathOf(name)))
      await confirmName(name, `this removes ${counted(pool.counts.ready, 'running node')} and ${counted(pool.head, 'revision')} of ${name}`, options.confirm)
      await roll(name, options.wait, command, ({ client }) => answerOf(client.DELETE('/api/v1/pools/{name}', { ...pathOf(name), headers: key() })))
    })
}

async function roll(name: string, wait: boolean, command: Command, start: (appliance: Appliance) => Promise<Schema<'Operation'>>): Promise<void> {
  const output = outputOf(command)
  const appliance = await openAppliance()
  const after = await lastEvent(appliance)
  const operation = await start(appliance)
  if (!wait) {
    output.record(operation)
    return output.line(`started: drydock pool status ${name} --watch`)
  }
  await followRollout(appliance, name, operation.id, after, output)
}

/** Verbs that only look. */
function addLooking(noun: Command): void {
  listOptions(noun.command('list').description('Every pool, declared and actual.')).action(async (_options: unknown, command: Command) => {
    const { client } = await openAppliance()
    printList(command, await answerOf(client.GET('/api/v1/pools')), {
      name: row => row.name,
      state: row => (row.paused === null ? row.state : `${row.state}, paused`),
      ready: row => `${row.counts.ready}/${row.counts.size}`,
      revision: row => (row.target === row.head ? `${row.head}` : `${row.target ?? 'none'}, head ${row.head}`),
      image: row => short(row.image),
      roles: row => row.document.spec.roles.join(', '),
      waits: row => row.waits.map(wait => `${wait.node ?? ''} ${wait.on}`.trim()).join('; '),
    }, 'no pool yet: drydock pool create pool.yaml')
  })
  noun
    .command('status')
    .description('Where a pool stands and what it waits for.')
    .argument('<name>')
    .option('--watch', 'go on until it is healthy, failed or paused')
    .action(async (name: string, options: { watch?: true }, command: Command) => {
      const output = outputOf(command)
      const appliance = await openAppliance()
      const pool = await answerOf(appliance.client.GET('/api/v1/pools/{name}', pathOf(name)))
      if (options.watch === undefined) return sayState(pool, output)
      sayState(await watched(appliance, pool, output), output)
    })
  noun
    .command('diff')
    .description('What applying the newest revision would change: roles, packages, layers, nodes.')
    .argument('<name>')
    .action(async (name: string, _options: unknown, command: Command) => {
      const { client } = await openAppliance()
      sayDiff(name, await answerOf(client.GET('/api/v1/pools/{name}/diff', pathOf(name))), outputOf(command))
    })
  listOptions(noun.command('history').description('Every revision, oldest first.').argument('<name>')).action(async (name: string, _options: unknown, command: Command) => {
    const { client } = await openAppliance()
    printList(command, await answerOf(client.GET('/api/v1/pools/{name}/history', pathOf(name))), {
      revision: row => row.revision,
      at: row => at(row.at),
      author: row => row.author,
      outcome: row => row.outcome ?? 'not applied',
      image: row => short(row.image),
      change: row => (row.rollbackOf === undefined ? row.change : `= revision ${row.rollbackOf}`),
      message: row => row.message,
    }, 'no revision')
  })
}

async function watched(appliance: Appliance, first: Pool, output: Output): Promise<Pool> {
  const began = Date.now()
  const moving = ['applying', 'rolling-out', 'deleting', 'degraded']
  let pool = first
  while (moving.includes(pool.state) && pool.paused === null) {
    output.progress(barOf(pool, began))
    await sleep(WATCH_MS)
    pool = await answerOf(appliance.client.GET('/api/v1/pools/{name}', pathOf(first.name)))
  }
  output.done()
  return pool
}

function sayState(pool: Pool, output: Output): void {
  output.record(pool)
  const { counts } = pool
  const tone = pool.state === 'healthy' ? 'good' : pool.state === 'failed' || pool.state === 'degraded' ? 'bad' : 'strong'
  output.line(`${pool.name}: ${pool.state}, ${counts.ready} of ${counts.size} ready`, tone)
  output.line(`revision   ${pool.target ?? 'none'} is the target${pool.head === pool.target ? '' : `, ${pool.head} is the newest (not applied)`}; last healthy: ${pool.lastHealthy ?? 'none yet'}`)
  output.line(`image      ${pool.image ?? 'none yet'}`)
  output.line(`nodes      ${counts.new} new · ${counts.draining} draining · ${counts.old} old`)
  output.line(`roles      ${pool.document.spec.roles.join(', ') || 'none'}`)
  if (pool.paused !== null) output.line(`paused     by ${pool.paused.by} at ${at(pool.paused.at)} UTC: ${pool.paused.reason}`)
  for (const wait of pool.waits) output.line(`waits for  ${wait.node === null ? '' : `${wait.node}: `}${wait.on}`)
}

function sayDiff(name: string, diff: Schema<'PoolDiff'>, output: Output): void {
  output.record(diff)
  const change = (from: string | null, to: string | null) => (from === null ? `+ ${to}` : to === null ? `- ${from}` : `${from} → ${to}`)
  output.line(diff.from === diff.to ? `${name}: revision ${diff.to} is applied, nothing would change` : `${name}: revision ${diff.from ?? 'none'} → ${diff.to}`, 'strong')
  for (const role of diff.roles) output.line(`role       ${role}`)
  for (const { field, from, to } of diff.fields) output.line(`${'spec'.padEnd(11)}${field}: ${JSON.stringify(from) ?? 'unset'} → ${JSON.stringify(to) ?? 'unset'}`)
  for (const one of diff.packages) output.line(`package    ${one.name} ${change(one.from, one.to)}`)
  if (diff.layers.length > 0) output.line(`layers     ${diff.layers.map(layer => `${layer.name} ${layer.state}`).join(' · ')}`)
  output.line(`replaces   ${counted(diff.nodesToReplace, 'node')}`)
}

function notApplied(name: string, output: Output): void {
  output.line(`not applied yet: drydock pool diff ${name} · drydock pool apply ${name}`)
}

/** Destructive: says what is lost and wants the name. @throws DD-CLI-002 */
async function confirmName(name: string, loses: string, given: string | undefined): Promise<void> {
  let typed = given
  if (typed === undefined && process.stdin.isTTY) {
    const asking = createInterface({ input: process.stdin, output: process.stderr })
    typed = (await asking.question(`${loses}. Type its name to go on: `)).trim()
    asking.close()
  }
  if (typed !== name) throw new DrydockError('DD-CLI-002', `expected the name ${name} as confirmation (${loses}), found ${typed === undefined ? 'none' : JSON.stringify(typed)}`, `if that is meant: drydock pool delete ${name} --confirm ${name}`)
}

const counted = (count: number, one: string) => `${count} ${one}${count === 1 ? '' : 's'}`

function revisionNumber(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('expected the number of a revision')
  return Number(text)
}
