import type { Command } from 'commander'
import type { Schema } from '../../ui/client/client.ts'
import { answerOf, openAppliance } from './appliance.ts'
import { followOperation } from './follow.ts'
import { outputOf, type Output } from './output.ts'
import { at, listOptions, printList } from './table.ts'

type StandingFinding = Schema<'StandingFinding'>

export function register(program: Command): void {
  const noun = program.command('scanner').description('Who looks at what comes in, before anybody can approve it, and at what is here already. They are named in drydock.yaml.')
  listOptions(noun.command('list').description('All of them, how old ClamAV\'s definitions are, and what their last look through the whole store found.')).action(async (_options: unknown, command: Command) => {
    const { client } = await openAppliance()
    printList(command, await answerOf(client.GET('/api/v1/scanners')), {
      name: row => row.name,
      state: row => row.state,
      version: row => row.version || '–',
      definitions: row => row.definitions?.version ?? '–',
      age: row => (row.definitions === undefined || row.definitions === null ? '–' : `${row.definitions.ageDays} ${row.definitions.ageDays === 1 ? 'day' : 'days'}`),
      rescanned: row => at(row.rescanned?.at ?? null),
      with: row => row.rescanned?.definitions ?? '–',
      files: row => row.rescanned?.files ?? '–',
      findings: row => row.rescanned?.findings ?? '–',
    }, 'no scanner: install clamav, or name one in drydock.yaml')
  })
  noun
    .command('rescan')
    .description('Look through everything that the mirrors hold, and what people published into the private npm registry, with the newest definitions. Nothing is withdrawn by it. It runs by itself when new definitions come (clamavRescan in drydock.yaml).')
    .option('--anew', 'from the beginning, also when the last one failed or was cancelled with the same definitions; without it what that one has done counts')
    .option('--no-wait', 'do not wait until it has come to its end')
    .action(async (options: { wait: boolean; anew?: true }, command: Command) => {
      const output = outputOf(command)
      const appliance = await openAppliance()
      const begun = await answerOf(appliance.client.POST('/api/v1/scanners/rescans', { params: { query: options.anew === undefined ? {} : { anew: 'true' } } }))
      if (begun.goesOnFrom !== null) output.line(goesOnText(begun.goesOnFrom))
      if (begun.whyAnew !== null) output.line(`begins anew: ${begun.whyAnew}`)
      if (!options.wait) {
        output.line(`under way: drydock operation show ${begun.id}; cancel it with drydock operation cancel ${begun.id}`)
        return output.record(begun)
      }
      await followOperation(appliance, begun.id, output)
      const rescan = (await answerOf(appliance.client.GET('/api/v1/scanners/rescans', { params: { query: {} } }))).find(({ id }) => id === begun.id)
      for (const { scanner, version, files, findings } of rescan?.scans ?? []) output.line(`${scanner}${version === '' ? '' : ` ${version}`}: ${files} ${files === 1 ? 'file' : 'files'} of generation ${rescan?.generation}, ${findings === 0 ? 'nothing found' : `${findings} ${findings === 1 ? 'finding' : 'findings'}`}`)
      if (rescan !== undefined) output.record(rescan)
      for (const finding of await answerOf(appliance.client.GET('/api/v1/scanners/findings'))) printFinding(finding, output)
    })
  noun
    .command('findings')
    .description('What they found in what is here, who brought it, and how it can be withdrawn.')
    .action(async (_options: unknown, command: Command) => {
      const output = outputOf(command)
      const { client } = await openAppliance()
      const findings = await answerOf(client.GET('/api/v1/scanners/findings'))
      if (findings.length === 0) output.line('nothing was found; when they looked last: drydock scanner list', 'dim')
      for (const finding of findings) {
        output.record(finding)
        printFinding(finding, output)
      }
    })
}

function goesOnText({ at: began, done, total }: NonNullable<Schema<'RescanBegun'>['goesOnFrom']>): string {
  return `goes on behind the ${done} of ${total} files that the one of ${at(began)} UTC has done with the same definitions; all of them again: cancel it, then drydock scanner rescan --anew`
}

function printFinding({ id, severity, text, items, digest, broughtBy, withdrawn, recall, unpublish, dismissal, at: found }: StandingFinding, output: Output): void {
  const isDismissed = dismissal?.state === 'dismissed'
  const line = (name: string, what: string): void => output.line(`${name.padEnd(10)} ${what}`)
  output.line(`${(severity !== 'blocker' ? 'warning' : isDismissed ? 'dismissed' : 'found').padEnd(10)} ${text}`, severity === 'blocker' && !isDismissed ? 'bad' : 'plain')
  for (const [k, item] of items.entries()) line(k === 0 ? 'item' : '', item)
  if (digest !== null) line('digest', digest)
  if (broughtBy.length > 0) line('brought by', broughtBy.map(({ stream, sequence }) => `${stream} ${sequence}`).join(', '))
  line('found at', `${at(found)} UTC`)
  if (withdrawn !== null) line('withdrawn', `by recall ${withdrawn}`)
  if (dismissal !== null) line('claimed', `a false alarm by ${dismissal.by}: ${dismissal.reason}`)
  if (dismissal !== null && dismissal.approvals.length > 0) line('agreed', dismissal.approvals.map(({ user }) => user).join(', '))
  if (dismissal !== null && dismissal.closed !== null) line(dismissal.state, `by ${dismissal.closed.by}: ${dismissal.closed.reason}`)
  if (recall !== null) line('do', `on the connected side: ${recall}`)
  if (unpublish !== null) line('do', `as one who may publish: ${unpublish}`)
  if (id === null || withdrawn !== null) return
  if (dismissal?.state === 'waiting') line('or', `agree, as an approver: drydock dismissal approve ${id}`)
  else if (isDismissed) line('take back', `drydock dismissal end ${id} --reason …`)
  else line('or', `if it is none: drydock dismissal new ${id} --reason …`)
}
