import type { ImportRecord, ScannerState } from '../../bundles/format/import-record.ts'
import type { PublishedAs, RescanRecord, StoreFinding } from '../../bundles/format/rescan-record.ts'
import type { Digest } from '../core/digest.ts'
import { printable } from '../core/printable.ts'
import type { Dismissal } from '../model/dismissal.ts'
import type { Operation } from '../model/operation.ts'
import type { RescanBegun, Rescans, RescanView, StandingFinding } from '../model/rescan.ts'
import { alarmId, claimFor } from './dismissals.ts'
import { isBlocker, isCutOff, rescanOperation, STORE, whyAnew, type RescanDeps, type RescanParams } from './rescan.ts'
import type { ImportLedger } from './import-ledger.ts'
import type { Operations } from './operation-kind.ts'

/** Who looks through the store when new definitions came. No person's name has a colon. */
export const RESCAN_ACTOR = 'drydock:rescan'

export type RescansDeps = Omit<RescanDeps, 'imports' | 'isDismissed'> & {
  operations: Operations
  imports: Pick<ImportLedger, 'get' | 'list'>
  /** The recall that has withdrawn these bytes, or everything here that has them. */
  withdrawnBy: (digest: Digest) => string | undefined
  /** Whether a file that people published is here still, by its key. */
  isPublished: (file: string) => boolean
  /** What people say of findings, by id (`alarmId`). */
  dismissals: () => Readonly<Record<string, Dismissal>>
}

/** Published files that are named at once, and taken away by one command; when they are gone the next ones are named. */
const PUBLISHED_TOLD = 8

const ANEW = { goesOnFrom: null, whyAnew: null } as const
const EVERYTHING: RescanParams = { generation: null, since: 0 }

export function createRescans(deps: RescansDeps): Rescans & { whenNew(): Promise<void> } {
  const { operations, ledger, steps } = deps
  const brought = (ids: readonly string[]): StandingFinding['broughtBy'] => ids.flatMap(id => {
    const preflight = deps.imports.get(id)?.preflight
    return preflight === undefined || preflight === null ? [] : [{ import: id, stream: preflight.stream, sequence: preflight.sequence }]
  })
  const claimOf = (finding: StoreFinding): { id: string; claim: Dismissal | null } | null => {
    const { scanner, what, digest } = finding
    if (digest === null || !isBlocker(finding)) return null
    const alarm = { scanner, what, digest }
    return { id: alarmId(alarm), claim: claimFor(deps.dismissals(), alarm) ?? null }
  }
  const isDismissed = (finding: StoreFinding): boolean => claimOf(finding)?.claim?.state === 'dismissed'
  const kind = rescanOperation({ ...deps, imports: brought, isDismissed })
  operations.register(kind)

  const view = (record: RescanRecord): RescanView => {
    const operation = operations.get(record.id)
    return { ...record, state: operation?.state ?? 'failed', error: operation?.error ?? null }
  }

  /** A whole one that waits, or that runs with what is known now. */
  function underWay(version: string | undefined): Operation | undefined {
    const queued = operations.list({ state: 'queued', subject: STORE, limit: 1 })[0]
    const running = operations.list({ state: 'running', subject: STORE, limit: 1 })[0]
    const record = running === undefined ? undefined : ledger.get(running.id)
    return queued ?? (record === undefined || definitionsOf(record) === version ? running : undefined)
  }

  /** The last whole look, when it did not come to its end and what it has done still counts. */
  function cutOff(scanners: readonly ScannerState[]): Pick<RescanBegun, 'goesOnFrom' | 'whyAnew'> {
    const last = Iterator.from(ledger.list()).find(({ since }) => since === 0)
    const state = last === undefined ? undefined : operations.get(last.id)?.state
    if (last === undefined || !isCutOff(last) || (state !== 'failed' && state !== 'cancelled')) return ANEW
    const why = whyAnew(last, scanners)
    return why === null ? { goesOnFrom: { rescan: last.id, at: last.at, ...last.blobs }, whyAnew: null } : { goesOnFrom: null, whyAnew: why }
  }

  function standing(): { record: RescanRecord; finding: StoreFinding }[] {
    const found = new Map<string, { record: RescanRecord; finding: StoreFinding }>()
    for (const record of ledger.list()) {
      for (const finding of record.findings) {
        // What was published may have come in two batches, under other names each time.
        const key = `${finding.scanner} ${finding.digest ?? ''} ${finding.files === undefined ? finding.text : `${finding.severity} ${finding.what}`}`
        const known = found.get(key)
        if (known === undefined) found.set(key, { record, finding })
        else if (known.finding.files !== undefined) found.set(key, { ...known, finding: { ...known.finding, files: bothOf(known.finding.files, finding.files ?? []) } })
      }
      // It looked at everything, so what those before it found and it did not is gone.
      if (record.endedAt !== null && record.since === 0) break
    }
    return [...found.values()]
  }

  return {
    list: (limit = Infinity) => Array.from(Iterator.from(ledger.list()).take(limit).map(view)),
    findings() {
      const here = standing().flatMap(({ record, finding: { files, ...finding } }) => {
        if (files === undefined) return [{ record, finding }]
        const left = Iterator.from(files).filter(({ file }) => deps.isPublished(file)).take(PUBLISHED_TOLD).toArray()
        return left.length === 0 ? [] : [{ record, finding: { ...finding, items: [...new Set(left.map(({ spec }) => printable(`npm:${spec}`)))] } }]
      })
      const all = here.map(({ record, finding }): StandingFinding => {
        const withdrawn = finding.digest === null || finding.published === true || !isBlocker(finding) ? undefined : deps.withdrawnBy(finding.digest)
        const alarm = claimOf(finding)
        const stands = withdrawn === undefined && isBlocker(finding) && alarm?.claim?.state !== 'dismissed'
        return {
          ...finding, id: alarm?.id ?? null, rescan: record.id, at: record.at, broughtBy: brought(finding.imports), withdrawn: withdrawn ?? null, recall: stands && finding.published !== true ? recallCommand(finding) : null, unpublish: stands && finding.published === true ? unpublishCommand(finding) : null,
          dismissal: alarm?.claim ?? null,
        }
      })
      const rank = (finding: StandingFinding): number => (isBlocker(finding) ? (finding.dismissal?.state === 'dismissed' ? 1 : 0) : 2)
      return all.toSorted((a, b) => rank(a) - rank(b))
    },
    async start(request, { anew = false } = {}) {
      const { scanners } = await steps.plan({ ...EVERYTHING, goesOn: null })
      const version = scanners.map(({ definitions }) => definitions?.version).find(each => each !== undefined)
      const known = operations.known(request) ?? underWay(version)
      if (known !== undefined) return { ...known, goesOnFrom: ledger.get(known.id)?.goesOnFrom ?? null, whyAnew: null }
      const before = anew ? ANEW : cutOff(scanners)
      return { ...operations.submit(kind, before.goesOnFrom === null ? EVERYTHING : { ...EVERYTHING, goesOnFrom: before.goesOnFrom.rescan }, request), ...before }
    },

    /**
     * Whatever was looked at with older definitions than the newest that are promoted is looked at again: everything, when they are new; what
     * was promoted since then, when it was scanned before they came (it waited for an approver meanwhile). To be called at a start and after
     * every import; what was begun once is not begun again.
     */
    async whenNew() {
      const newest = await steps.definitions()
      if (newest === null) return
      const submit = (params: RescanParams, what: string): void => void operations.submit(kind, params, { actor: RESCAN_ACTOR, idempotencyKey: `rescan:${newest.version}:${what}` })
      const whole = Iterator.from(ledger.list()).find(record => record.since === 0 && definitionsOf(record) === newest.version && operations.get(record.id)?.state !== 'cancelled')
      if (whole === undefined) return submit(EVERYTHING, 'everything')
      for (const { generation } of deps.imports.list().filter(record => wasScannedBefore(record, newest.version))) {
        if (generation !== null && generation > whole.generation) submit({ generation, since: generation - 1 }, String(generation))
      }
    },
  }
}

function bothOf(some: readonly PublishedAs[], others: readonly PublishedAs[]): PublishedAs[] {
  return [...new Map([...some, ...others].map(one => [one.file, one])).values()]
}

function definitionsOf({ scanners }: RescanRecord): string | undefined {
  return scanners.map(({ definitions }) => definitions?.version).find(version => version !== undefined)
}

function wasScannedBefore({ state, preflight, scans }: ImportRecord, version: string): boolean {
  return state === 'imported' && preflight?.control === undefined && scans?.some(scan => scan.definitions?.version === version) !== true
}

/** Ready to be typed on the connected side; the words of a scanner are cut to what no shell can misread. */
function recallCommand({ digest, scanner, what }: StoreFinding): string | null {
  if (digest === null) return null
  const id = `found-${digest.slice(-64, -56)}`
  return `drydock recall new --id ${id} --digest ${digest} --reason '${scanner} found ${what.replaceAll(/[^A-Za-z0-9._:/ -]/g, '_')}' --out ${id}.yaml`
}

/** What people published people take away: a version, or, where no version stands for the file, the whole package. Keys of npm are `npm:` and what npm itself calls it. */
function unpublishCommand({ items }: StoreFinding): string {
  return items.map(item => `npm unpublish '${item.replace(/^npm:/, '').replaceAll(/[^A-Za-z0-9@/._~+-]/g, '_')}'${/.@/.test(item.replace(/^npm:/, '')) ? '' : ' --force'}`).join(' && ')
}
