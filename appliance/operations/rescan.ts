import type { Definitions, Scan, ScannerState } from '../../bundles/format/import-record.ts'
import type { RescanPart, RescanRecord, StoreFinding } from '../../bundles/format/rescan-record.ts'
import type { Json } from '../../bundles/format/json.ts'
import type { Clock } from '../core/clock.ts'
import { asDrydockError } from '../core/error.ts'
import type { AuditLog } from '../model/audit.ts'
import type { OperationContext, OperationKind } from './operation-kind.ts'
import type { RescanLedger } from './rescan-ledger.ts'

export const RESCAN_KIND = 'rescan'
export const STORE = 'store'

/** Findings that a record keeps one by one: what was found first, then what nobody could look into. */
export const FINDINGS_KEPT = 1000

export type RescanPlan = { generation: number; since: number; knowledge: number; scanners: ScannerState[]; rest: RescanPart[]; total: number }
export type RescanWanted = { generation: number | null; since: number; goesOn: { generation: number; rest: readonly RescanPart[] } | null }
export type RescanBatch = { left: RescanPart | null; blobs: number; scans: Scan[]; findings: StoreFinding[]; more: number }

/** The steps over the store; importer/scan implements them. */
export interface RescanSteps {
  /** What ClamAV would use now. */
  definitions(): Promise<Definitions | null>
  /** @throws DD-IMPORT-040 when no scanner can look */
  plan(wanted: RescanWanted): Promise<RescanPlan>
  /** Changes nothing, so it may be run again after a kill. @throws DD-IMPORT-023 when a scanner gives no answer */
  batch(plan: Pick<RescanPlan, 'knowledge' | 'scanners'>, part: RescanPart, work: { signal: AbortSignal; looked: (files: number) => void }): Promise<RescanBatch>
  /** Removes what a batch that was killed has left: archives that were opened for scanners take space. */
  clean(): Promise<void>
}

/**
 * `generation` null: the one that is current when it begins. `since` 0: everything in it; else only what came after that one. `goesOnFrom`: the one that did
 * not come to its end, whose rest is looked at; not there in operations of before.
 */
export type RescanParams = { generation: number | null; since: number; goesOnFrom?: string }

export type RescanDeps = {
  steps: RescanSteps
  ledger: RescanLedger
  clock: Clock
  audit: Pick<AuditLog, 'record'>
  /** What people have called a false alarm is not told again. */
  isDismissed: (finding: StoreFinding) => boolean
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
  const { first, knowledge } = await context.step('plan', async () => {
    const begun = await firstRecord(deps, context, params)
    deps.ledger.put(begun.first)
    return begun
  })
  const { generation, scanners, goesOnFrom } = first
  const by = scanners.map(({ name, definitions }) => (definitions === undefined || definitions === null ? name : `${name} ${definitions.version}`)).join(', ')
  context.emit({ type: 'rescan.started', subject: STORE, fields: { generation, files: first.blobs.total, by, ...(goesOnFrom === undefined ? {} : { goesOnFrom: goesOnFrom.rescan, behind: goesOnFrom.done }) } })

  const looked = progressOf(context, deps.clock, first.blobs.total)
  // A sum of what the journal holds, so it is the same on every run.
  let record = first
  for (let k = 1, [part] = first.rest ?? []; part !== undefined; k++, [part] = record.rest ?? []) {
    const [sum, from]: [RescanRecord, RescanPart] = [record, part]
    const batch: RescanBatch = await context.step(`batch-${k}`, async () => {
      const found = await deps.steps.batch({ knowledge, scanners }, from, { signal: context.signal, looked: files => looked(sum.blobs.done, files) })
      deps.ledger.put(withBatch(sum, found))
      return found
    })
    await tell(deps, context, k, batch)
    record = withBatch(sum, batch)
  }

  const facts = { generation, files: record.blobs.done, findings: record.findings.filter(finding => isBlocker(finding) && !deps.isDismissed(finding)).length + record.more, by }
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
  const found = batch.findings.filter(finding => isBlocker(finding) && !deps.isDismissed(finding)).map(finding => ({ finding, fields: factsOf(finding, deps.imports(finding.imports)) }))
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

/** How it stands before its first batch: with nothing, or with what the one that it goes on from has found. */
async function firstRecord(deps: RescanDeps, { id, actor }: OperationContext, params: RescanParams): Promise<{ first: RescanRecord; knowledge: number }> {
  const { generation, since } = params
  const before = params.goesOnFrom === undefined ? undefined : deps.ledger.get(params.goesOnFrom)
  const anew = await deps.steps.plan({ generation, since, goesOn: null })
  // Between the question and this moment newer definitions may have come.
  const begun = before !== undefined && canGoOn(before, anew.scanners) ? before : undefined
  const plan = begun === undefined ? anew : await deps.steps.plan({ generation, since, goesOn: { generation: begun.generation, rest: begun.rest ?? [] } })
  const done = begun?.blobs.done ?? 0
  // What people published is looked at as a whole each time, and found again.
  const found = begun?.findings.filter(({ published }) => published !== true) ?? []
  const first: RescanRecord = {
    id, by: actor, at: deps.clock.now().toISOString(), endedAt: null, generation: plan.generation, since, scanners: plan.scanners, scans: begun?.scans ?? [], blobs: { done, total: done + plan.total },
    findings: found, more: begun?.more ?? 0, rest: plan.rest, ...(begun === undefined ? {} : { goesOnFrom: { rescan: begun.id, at: begun.at, ...begun.blobs } }),
  }
  return { first, knowledge: plan.knowledge }
}

/** Whether what it has done counts. */
export function canGoOn(record: RescanRecord, now: readonly ScannerState[]): boolean {
  return isCutOff(record) && whyAnew(record, now) === null
}

/** Some of it is done, and some is left. */
export function isCutOff({ endedAt, since, blobs, rest }: RescanRecord): boolean {
  return endedAt === null && since === 0 && blobs.done > 0 && rest !== undefined && rest.length > 0
}

/** What it has seen counts only when who looks now is known to know the same: one that was broken then, and mended since, has found nothing in it. */
export function whyAnew({ scanners }: RescanRecord, now: readonly ScannerState[]): string | null {
  const unknown = now.filter(({ version }) => version === '').map(({ name }) => name)
  if (unknown.length > 0) return `nobody knows whether ${unknown.join(', ')} is as it was (no version in drydock.yaml)`
  const known = (all: readonly ScannerState[]): string => all.map(({ name, version, definitions }) => `${name} ${version} ${definitions?.version}`).toSorted().join('\n')
  return known(scanners) === known(now) ? null : 'the scanners, their versions or their definitions are others now'
}

function withBatch(sum: RescanRecord, { left, blobs, scans, findings, more }: RescanBatch): RescanRecord {
  const all = [...sum.findings, ...findings]
  const order = [...all.filter(isBlocker), ...all.filter(finding => !isBlocker(finding))]
  const kept = order.slice(0, FINDINGS_KEPT)
  return { ...sum, blobs: { ...sum.blobs, done: sum.blobs.done + blobs }, scans: sumOf(sum.scans, scans), findings: kept, more: sum.more + more + order.length - kept.length, rest: [...(left === null ? [] : [left]), ...(sum.rest ?? []).slice(1)] }
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
