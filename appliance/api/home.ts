import { importName, type ImportRecord, type ImportState } from '../../bundles/format/import-record.ts'
import { isMachine } from '../model/machine-actor.ts'
import type { HomeView } from './answers.ts'
import type { Services } from './services.ts'

type Waiting = HomeView['waiting'][number]

/** States of an import in which nothing happens before a person does something; what, in words. */
const IMPORT_WAITS: Partial<Record<ImportState, (record: ImportRecord, name: string) => { text: string; hint: string }>> = {
  verified: (record, name) => ({ text: `${name} has passed its preflight and waits to be taken in`, hint: `drydock import proceed ${importName(record)}` }),
  parked: (record, name) => ({ text: `${name} is parked: missing ${missingText(record.missing)}`, hint: 'bring what is missing, as it came or with drydock import run: it goes on by itself' }),
  quarantined: (record, name) => ({ text: `${name} is in quarantine: ${stopsText(record)}`, hint: `look at its findings, then: drydock import reject ${importName(record)} --reason …` }),
  'awaiting-approval': (record, name) => ({ text: `${name} ${approvalText(record)}`, hint: `drydock import approve ${importName(record)}` }),
  failed: (record, name) => ({ text: `${name} failed: ${record.error?.message ?? 'see its operation'}`, hint: record.error?.retryable === true ? `drydock import resume ${importName(record)}` : (record.error?.hint ?? 'look at its page') }),
}

const NAMED = 3

/** The short list of the console's first page: each row is something that nobody but a person can move. */
export function waitingForPeople({ imports, pools }: Pick<Services, 'imports' | 'pools'>): Waiting[] {
  const rows: Waiting[] = []
  for (const record of imports.list()) {
    const waits = IMPORT_WAITS[record.state]?.(record, record.preflight === null ? `Import ${record.source}` : `${record.preflight.stream}, sequence ${record.preflight.sequence},`)
    if (waits !== undefined) rows.push({ subject: `import:${record.id}`, ...waits, href: `/imports/${record.id}`, since: record.updatedAt })
  }
  for (const pool of pools.list()) {
    const at = { subject: `pool:${pool.name}`, href: `/pools/${pool.name}` }
    if (pool.state === 'failed') rows.push({ ...at, text: `Pool ${pool.name}: the rollout failed`, hint: `drydock pool status ${pool.name}; then roll back or correct it`, since: null })
    if (pool.paused !== null) rows.push({ ...at, text: `Pool ${pool.name} is paused by ${pool.paused.by}: ${pool.paused.reason}`, hint: `drydock pool resume ${pool.name}`, since: pool.paused.at })
  }
  return rows
}

/** The first few by name: of a set of fifty discs nobody reads the list here. */
function missingText(missing: readonly string[]): string {
  return missing.length <= NAMED ? missing.join(', ') : `${missing.slice(0, NAMED).join(', ')} and ${missing.length - NAMED} more`
}

function stopsText({ preflight }: ImportRecord): string {
  const [first, ...more] = preflight?.findings.filter(({ severity }) => severity === 'blocker') ?? []
  if (first === undefined) return 'something in it stops it'
  return more.length === 0 ? first.text : `${first.text}, and ${more.length} more`
}

function approvalText({ submittedBy, approvals, approvalsNeeded }: ImportRecord): string {
  if (isMachine(submittedBy)) return `came by itself: it waits for a person who answers for it, then for ${approvalsNeeded === 1 ? 'another one who approves' : `${approvalsNeeded} others who approve`}`
  return `waits for an approver other than ${submittedBy} (${approvals.length} of ${approvalsNeeded})`
}
