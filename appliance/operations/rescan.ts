import type { Definitions, Scan, ScannerState } from '../../bundles/format/import-record.ts'
import type { RescanRecord, StoreFinding } from '../../bundles/format/rescan-record.ts'
import type { Json } from '../../bundles/format/json.ts'
import type { Clock } from '../core/clock.ts'
import type { Digest } from '../core/digest.ts'
import { asDrydockError } from '../core/error.ts'
import type { AuditLog } from '../model/audit.ts'
import type { OperationContext, OperationKind } from './operation-kind.ts'
import type { RescanLedger } from './rescan-ledger.ts'

export const RESCAN_KIND = 'rescan'
export const STORE = 'store'

/** Findings that a record keeps one by one: what was found first, then what nobody could look into. */
export const FINDINGS_KEPT = 1000

export type RescanPlan = { generation: number; since: number; knowledge: number; scanners: ScannerState[]; total: number }
export type RescanBatch = { last: Digest | null; blobs: number; scans: Scan[]; findings: StoreFinding[]; more: number }

/** The steps over the store; importer/scan implements them. */
export interface RescanSteps {
  /** What ClamAV would use now. */
  definitions(): Promise<Definitions | null>
  /** @throws DD-IMPORT-040 when no scanner can look */
  plan(wanted: RescanParams): Promise<RescanPlan>
  /** Changes nothing, so it may be run again after a kill. @throws DD-IMPORT-023 when a scanner gives no answer */
  batch(plan: RescanPlan, after: Digest | null, work: { signal: AbortSignal; looked: (files: number) => void }): Promise<RescanBatch>
  /** Removes what a batch that was killed has left: archives that were opened for scanners take space. */
  clean(): Promise<void>
}

/** `generation` null: the one that is current when it begins. `since` 0: everything in it; else only what came after that one. */
export type RescanParams = { generation: number | null; since: number }

export type RescanDeps = {
  steps: RescanSteps
  ledger: RescanLedger
  clock: Clock
  audit: Pick<AuditLog, 'record'>
  /** Imports that are known here, of those with these ids. */
  imports: (ids: readonly string[]) => Brought[]
}
export type Brought = { import: string; stream: string; sequence: number }

/**
 * Looks through the store, batch by batch; each is journaled with what it found, so that a run after a kill goes on behind the last one.
 * Nothing is withdrawn or removed by it: that is for people, by a recall. A lane of its own, so imports go on meanwhile.
 */
export function rescanOperation(deps: RescanDeps): OperationKind<RescanParams> {
  return {
    kind: RESCAN_KIND,
    subject: ({ since, generation }) => (since === 0 ? STORE : `${STORE}:${generation}`),
    async run(context, params) {
      try {
        return await lookThrough(deps, context, params)
      } catch (failure) {
        // A batch cleans up behind itself; one that was killed before this was cancelled could not.
        await deps.steps.clean()
        const { code, message } = asDrydockError(failure)
        context.emit({ type: context.signal.aborted ? 'rescan.cancelled' : 'rescan.failed', subject: STORE, fields: { code, message } })
        throw failure
      }
    },
  }
}

async function lookThrough(deps: RescanDeps, context: OperationContext, params: RescanParams): Promise<Json> {
  const { plan, at } = await context.step('plan', async () => {
    const begun = { plan: await deps.steps.plan(params), at: deps.clock.now().toISOString() }
    deps.ledger.put(recordOf(context, begun))
    return begun
  })
  const by = plan.scanners.map(({ name, definitions }) => (definitions === undefined || definitions === null ? name : `${name} ${definitions.version}`)).join(', ')
  context.emit({ type: 'rescan.started', subject: STORE, fields: { generation: plan.generation, files: plan.total, by } })

  const looked = progressOf(context, deps.clock, plan.total)
  // A sum of what the journal holds, so it is the same on every run.
  let record = recordOf(context, { plan, at })
  for (let k = 1, after: Digest | null = null; k === 1 || after !== null; k++) {
    const [sum, from]: [RescanRecord, Digest | null] = [record, after]
    const batch: RescanBatch = await context.step(`batch-${k}`, async () => {
      const found = await deps.steps.batch(plan, from, { signal: context.signal, looked: files => looked(sum.blobs.done, files) })
      deps.ledger.put(withBatch(sum, found))
      return found
    })
    await tell(deps, context, k, batch)
    record = withBatch(sum, batch)
    after = batch.last
  }

  const facts = { generation: plan.generation, files: record.blobs.done, findings: record.findings.filter(isBlocker).length + record.more, by }
  await context.step('end', async () => {
    deps.audit.record({ actor: context.actor, action: 'scanner.rescan', subject: STORE, outcome: 'allowed', fields: facts })
    const endedAt = deps.clock.now().toISOString()
    deps.ledger.put({ ...record, endedAt })
    return endedAt
  })
  context.emit({ type: 'rescan.done', subject: STORE, fields: facts })
  return facts
}

/** What would have stopped an import is told to everybody at once, not only when the last file was looked at. */
async function tell(deps: RescanDeps, context: OperationContext, k: number, batch: RescanBatch): Promise<void> {
  const found = batch.findings.filter(isBlocker).map(finding => ({ finding, fields: factsOf(finding, deps.imports(finding.imports)) }))
  if (found.length === 0) return
  for (const { finding, fields } of found) context.emit({ type: 'rescan.found', subject: `item:${finding.items[0] ?? STORE}`, fields })
  await context.step(`told-${k}`, async () => {
    for (const { finding, fields } of found) deps.audit.record({ actor: context.actor, action: 'scanner.found', subject: `item:${finding.items[0] ?? STORE}`, outcome: 'failed', fields })
    return found.length
  })
}

function factsOf({ scanner, what, items, digest }: StoreFinding, brought: readonly Brought[]): Record<string, string> {
  return { scanner, found: what, items: items.join(', '), ...(digest === null ? {} : { digest }), broughtBy: brought.map(broughtText).join(', ') }
}

export function broughtText({ stream, sequence }: Brought): string {
  return `${stream} ${sequence}`
}

export function isBlocker({ severity }: StoreFinding): boolean {
  return severity === 'blocker'
}

function recordOf({ id, actor }: OperationContext, { plan, at }: { plan: RescanPlan; at: string }): RescanRecord {
  const { generation, since, scanners, total } = plan
  return { id, by: actor, at, endedAt: null, generation, since, scanners, scans: [], blobs: { done: 0, total }, findings: [], more: 0 }
}

function withBatch(sum: RescanRecord, { blobs, scans, findings, more }: RescanBatch): RescanRecord {
  const all = [...sum.findings, ...findings]
  const order = [...all.filter(isBlocker), ...all.filter(finding => !isBlocker(finding))]
  const kept = order.slice(0, FINDINGS_KEPT)
  return { ...sum, blobs: { ...sum.blobs, done: sum.blobs.done + blobs }, scans: sumOf(sum.scans, scans), findings: kept, more: sum.more + more + order.length - kept.length }
}

/** One line a scanner, whatever the number of batches. */
function sumOf(before: readonly Scan[], scans: readonly Scan[]): Scan[] {
  const sums = new Map(before.map(scan => [scan.scanner, scan]))
  for (const scan of scans) {
    const known = sums.get(scan.scanner)
    sums.set(scan.scanner, known === undefined ? scan : { ...known, files: known.files + scan.files, seconds: Math.round((known.seconds + scan.seconds) * 10) / 10, findings: known.findings + scan.findings })
  }
  return [...sums.values()]
}

/** Minutes that are left are reckoned from what this run has looked at, not from what one before a kill had. */
function progressOf(context: OperationContext, clock: Clock, total: number): (before: number, files: number) => void {
  let origin: { done: number; at: number } | undefined
  return (before, files) => {
    const now = clock.now().getTime()
    origin ??= { done: before, at: now }
    // What was opened of a blob counts as files of its own to a scanner.
    const done = Math.min(before + files, total)
    const [fresh, seconds] = [done - origin.done, (now - origin.at) / 1000]
    context.progress({ phase: 'rescan', done, total, unit: 'files', etaSeconds: fresh <= 0 || seconds < 1 ? null : Math.ceil((seconds / fresh) * (total - done)) })
  }
}
