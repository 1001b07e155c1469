import type { Command } from 'commander'
import { importName } from '../../bundles/format/import-record.ts'
import { isMachine } from '../model/machine-actor.ts'
import type { Schema } from '../../ui/client/client.ts'
import { answerOf, openAppliance, type Appliance } from './appliance.ts'
import { asDrydockError, DrydockError } from '../core/error.ts'
import type { ErrorCode } from '../core/errors/table.ts'
import { writeDurably } from '../core/durable-file.ts'
import { followOperation } from './follow.ts'
import { outputOf, type Output } from './output.ts'
import { preflightLines } from './preflight.ts'
import { at, listOptions, printList, short } from './table.ts'
import { uploadBundle } from './upload.ts'

type ImportRecord = Schema<'ImportRecord'>
/** A volume that is too short or too long, or here already, says nothing about the others of its set: they are sent all the same. */
const OTHERS_ARE_GOOD: readonly ErrorCode[] = ['DD-BUNDLE-005', 'DD-BUNDLE-006', 'DD-IMPORT-018']
/** Somebody still has to do something about it. */
const OPEN: readonly ImportRecord['state'][] = ['parked', 'verified', 'staging', 'scanned', 'quarantined', 'awaiting-approval', 'promoting']
/** Exit code of something that waits for a person. */
const WAITING = 4

export function register(program: Command): void {
  const noun = program.command('import').description('Bring signed bundles in. An import stops at its preflight, and again until somebody else approves it.')
  noun
    .command('run')
    .description('Send a bundle to the appliance, show what is in it and whether to trust it, and stop; with --yes go on as far as an approver is needed.')
    .argument('<paths...>', 'the bundle, or volumes of one in any order (with --on-appliance: paths there, under a media root)')
    .option('--yes', 'go on after the preflight')
    .option('--on-appliance', 'the path is one of the appliance, not of this machine')
    .action(run)
  noun
    .command('proceed')
    .description('Go on after the preflight: take the payload in, check every byte, scan it.')
    .argument('<id>', 'like demo-3: the stream and its sequence; or the id')
    .action(async (id: string, _options: unknown, command: Command) => {
      const appliance = await openAppliance()
      const record = await answerOf(appliance.client.POST('/api/v1/imports/{id}/proceed', { params: { path: { id } } }))
      // A trust or a recall that came by itself has nothing to take in: it only has a person who answers for it now.
      if (record.state === 'awaiting-approval') return sayWhatItWaitsFor(record, 'approval', outputOf(command))
      await goOn(appliance, record, outputOf(command), 'proceed')
    })
  noun
    .command('approve')
    .description('Let an import into the mirrors. Not for the one who brought it; the first word for a trust or recall that came by itself is to answer for it.')
    .argument('<id>', 'like demo-3: the stream and its sequence; or the id')
    .option('--no-wait', 'do not wait until it is served')
    .action(async (id: string, options: { wait: boolean }, command: Command) => {
      const output = outputOf(command)
      const appliance = await openAppliance()
      const record = await answerOf(appliance.client.POST('/api/v1/imports/{id}/approve', { params: { path: { id } } }))
      if (record.approvals.length > 0) output.line(`approved by ${record.approvals.map(one => one.user).join(', ')} (${record.approvals.length} of ${record.approvalsNeeded})`, 'good')
      if (record.approvals.length < record.approvalsNeeded) output.line(`${record.approvals.length === 0 ? `${record.submittedBy} answers for it now; ` : ''}${approvalText(record)}: drydock import approve ${importName(record)}`, 'strong')
      if (!options.wait || record.approvals.length < record.approvalsNeeded) return output.record(record)
      await goOn(appliance, record, output, 'approval')
    })
  noun
    .command('reject')
    .description('Turn an import away, or give up one that failed; what was staged or uploaded is removed.')
    .argument('<id>', 'like demo-3: the stream and its sequence; or the id')
    .requiredOption('--reason <text>', 'why; it is kept with the import')
    .action(async (id: string, { reason }: { reason: string }, command: Command) => {
      const output = outputOf(command)
      const { client } = await openAppliance()
      const record = await answerOf(client.POST('/api/v1/imports/{id}/reject', { params: { path: { id } }, body: { reason } }))
      output.line(`rejected: ${record.source}`)
      output.record(record)
    })
  noun
    .command('resume')
    .description('Go on with an import that failed.')
    .argument('<id>', 'like demo-3: the stream and its sequence; or the id')
    .action(async (id: string, _options: unknown, command: Command) => {
      const appliance = await openAppliance()
      const operation = await answerOf(appliance.client.POST('/api/v1/imports/{id}/resume', { params: { path: { id } } }))
      await goOn(appliance, { ...(await recordOf(appliance, operation.id)), operation: operation.id }, outputOf(command), null)
    })
  noun
    .command('show')
    .description('One import with its preflight.')
    .argument('<id>', 'like demo-3: the stream and its sequence; or the id')
    .option('--sbom <file>', 'write what its bundle holds there, as CycloneDX JSON: the same bytes that the sender has')
    .action(async (id: string, options: { sbom?: string }, command: Command) => {
      const output = outputOf(command)
      const { client } = await openAppliance()
      if (options.sbom !== undefined) {
        const digest = await writeDurably(options.sbom, await answerOf(client.GET('/api/v1/imports/{id}/sbom', { params: { path: { id } }, parseAs: 'text' })), { mode: 0o644 })
        output.line(`${options.sbom}  ${digest}`)
        return output.record({ type: 'sbom', import: id, file: options.sbom, digest })
      }
      const record = await answerOf(client.GET('/api/v1/imports/{id}', { params: { path: { id } } }))
      output.record(record)
      for (const line of preflightLines(record)) output.line(line)
      output.line(`state      ${record.state}${record.reason === null ? '' : `: ${record.reason}`}${record.error === null ? '' : `: ${record.error.message}      ${record.error.code}`}`)
      for (const [k, line] of (record.error?.hint.split('\n') ?? []).entries()) output.line(`${k === 0 ? 'do' : '  '}         ${line}`)
      output.line(`brought    by ${record.submittedBy} at ${at(record.at)} UTC${record.approvals.map(one => `, approved by ${one.user} at ${at(one.at)}`).join('')}`)
      if (record.generation !== null) output.line(`served     since generation ${record.generation}, receipt ${short(record.receipt)}`)
    })
  listOptions(noun.command('list').description('Everything that came in or asked to.')).action(async (_options: unknown, command: Command) => {
    const { client } = await openAppliance()
    printList(command, await answerOf(client.GET('/api/v1/imports')), {
      import: importName,
      state: row => row.state,
      source: row => row.source,
      by: row => row.submittedBy,
      approved: row => row.approvals.map(one => one.user).join(', ') || '–',
      at: row => at(row.at),
      generation: row => row.generation ?? '–',
      id: row => row.id,
    }, 'nothing came in yet: drydock import run PATH')
  })
}

async function run(paths: string[], options: { yes?: boolean; onAppliance?: boolean }, command: Command): Promise<void> {
  const output = outputOf(command)
  const appliance = await openAppliance()
  let id = ''
  let woke: string | null = null
  let cut: DrydockError | undefined
  for (const path of paths) {
    const submitted = options.onAppliance === true
      ? await answerOf(appliance.client.POST('/api/v1/imports', { body: { path }, headers: { 'idempotency-key': crypto.randomUUID() } }))
      : await uploadBundle(appliance, path, output)
    const operation = await followOperation(appliance, submitted.id, output, one => one.state === 'waiting').catch((failure: unknown) => {
      const error = asDrydockError(failure)
      if (paths.length === 1 || !OTHERS_ARE_GOOD.includes(error.code)) throw failure
      cut ??= error
      if (error.code === 'DD-IMPORT-018') output.line(`${path}: is here already`)
      else output.line(`${path}: ${error.message}; ${error.hint}      ${error.code}`, 'bad')
      return null
    })
    if (operation === null) continue
    const { result } = operation
    // A volume that joins its import wakes it: until it has looked around, it still says what it waited on before.
    const joined = result as { joined?: boolean; woke?: string | null } | null
    const leading = joined?.joined === true ? (await recordOf(appliance, submitted.id)).operation : submitted.id
    woke = joined?.woke ?? null
    if (id !== '' && leading !== id) throw new DrydockError('DD-CLI-001', `expected volumes of one bundle, found another bundle in ${path}`, 'import one bundle at a time; what was sent waits: drydock import list')
    id = leading
  }
  if (id === '' && cut !== undefined) throw cut
  const waiting = await followOperation(appliance, id, output, one => one.state === 'waiting' && one.waitingOn !== woke)
  const record = await recordOf(appliance, id)
  output.record({ type: 'preflight', import: record })
  for (const line of preflightLines(record)) output.line(line)
  for (const line of await broughtBefore(appliance, record)) output.line(line, 'strong')
  if (waiting.waitingOn !== 'proceed' || options.yes !== true) return sayWhatItWaitsFor(record, waiting.waitingOn, output)
  await answerOf(appliance.client.POST('/api/v1/imports/{id}/proceed', { params: { path: { id: record.id } } }))
  await goOn(appliance, record, output, 'proceed')
}

/** Follows the import until it waits for something else, or is done. */
async function goOn(appliance: Appliance, record: ImportRecord, output: Output, behind: string | null): Promise<void> {
  const operation = await followOperation(appliance, record.operation, output, one => one.state === 'waiting' && one.waitingOn !== behind)
  const now = await answerOf(appliance.client.GET('/api/v1/imports/{id}', { params: { path: { id: record.id } } }))
  if (operation.state === 'waiting') {
    if (operation.waitingOn === 'quarantine' || now.missing.length > 0) for (const line of preflightLines(now)) output.line(line)
    return sayWhatItWaitsFor(now, operation.waitingOn, output)
  }
  output.line(doneText(now), 'good')
  output.line(`receipt    ${short(now.receipt)}   for the sender: drydock receipt export ${importName(now)}`)
  output.record({ type: 'imported', import: now })
}

/** The last line of an import that is not done, and exit code 4. @throws DD-IMPORT-009 from quarantine: policy has refused it. */
function sayWhatItWaitsFor(record: ImportRecord, waitingOn: string | null, output: Output): void {
  const name = importName(record)
  const blockers = record.preflight?.findings.filter(finding => finding.severity === 'blocker') ?? []
  if (waitingOn === 'quarantine') {
    throw new DrydockError('DD-IMPORT-009', `expected no blocking findings, found ${blockers.length}: ${blockers.map(finding => finding.text).join('; ')}`, `turn it away: drydock import reject ${name} --reason …; then have the sender correct the bundle`)
  }
  const waits =
    waitingOn === 'proceed' && blockers.length > 0 ? `stopped here, nothing was taken in; ${blockers.length === 1 ? 'one finding' : `${blockers.length} findings`} will stop it: drydock import reject ${name} --reason …`
    : waitingOn === 'proceed' ? `stopped here, nothing was taken in: drydock import proceed ${name}`
    : waitingOn === 'approval' ? `${approvalText(record)}: drydock import approve ${name}`
    : parkedText(record.missing)
  output.line(waits, 'strong')
  output.record({ type: 'waiting', code: 'DD-CLI-013', on: waitingOn, import: record })
  process.exitCode = WAITING
}

/** Who still has to say yes. */
function approvalText({ submittedBy, approvals, approvalsNeeded }: ImportRecord): string {
  const more = approvalsNeeded - approvals.length
  if (isMachine(submittedBy)) return `came by itself; waits for a person who answers for it, then for ${more === 1 ? 'another one who approves' : `${more} others who approve`}`
  const besides = [submittedBy === '' ? 'you' : submittedBy, ...approvals.map(({ user }) => user)]
  return `waits for ${more > 1 ? `${more} approvers` : 'an approver'} other than ${besides.join(', ')}`
}

/** A set with parity says in its last line how many more, whichever they are, make it whole. */
function parkedText(missing: readonly string[]): string {
  const whole = missing.find(text => / parity volumes? here: /.test(text))
  const named = missing.filter(text => text !== whole)
  return `parked, waits for what is missing (${named.length}): bring ${named.some(text => text.startsWith('volume ')) ? 'these volumes' : 'the bundle that it stands on'}${whole === undefined ? '' : `; ${whole}`}`
}

function doneText({ sequence, generation, preflight }: ImportRecord): string {
  if (preflight?.control === 'trust') return `in force: trust version ${preflight.trust?.to}`
  if (preflight?.control === 'recall') return `in force: ${preflight.recall?.recalls.map(({ action, id }) => `${action} ${id}`).join(', ')}; what it hits here: drydock recall list`
  return `imported: sequence ${sequence} is served as generation ${generation}`
}

/** The same bundle brought twice, or two of one number: one of them has to go, and commands want to know which is meant. */
async function broughtBefore({ client }: Appliance, record: ImportRecord): Promise<string[]> {
  if (record.preflight === null) return []
  const name = importName(record)
  const others = (await answerOf(client.GET('/api/v1/imports'))).filter(other => other.id !== record.id && importName(other) === name && OPEN.includes(other.state))
  return others.map(other => `also here  ${other.preflight?.manifest === record.preflight?.manifest ? 'the same bundle' : 'ANOTHER BUNDLE OF THIS NUMBER'}, ${other.state}, brought by ${other.submittedBy} at ${at(other.at)} UTC: drydock import show ${other.id}`)
}

async function recordOf({ client }: Appliance, operation: string): Promise<ImportRecord> {
  const records = await answerOf(client.GET('/api/v1/imports'))
  const record = records.find(one => one.operation === operation) ?? records.find(one => one.id === operation)
  return record ?? (await answerOf(client.GET('/api/v1/imports/{id}', { params: { path: { id: operation } } })))
}
