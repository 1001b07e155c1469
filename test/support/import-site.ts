import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { Test } from 'tap'
import type { Clock } from '../../appliance/core/clock.ts'
import { writeDurably } from '../../appliance/core/durable-file.ts'
import { silentLog } from '../../appliance/core/log.ts'
import { claimable, wordsOf } from '../../appliance/main/inside/rescans.ts'
import type { AuditLog, NewAuditRecord } from '../../appliance/model/audit.ts'
import type { Policy } from '../../appliance/model/desired.ts'
import type { Event } from '../../appliance/model/event.ts'
import type { Dismissal, Dismissals } from '../../appliance/model/dismissal.ts'
import type { Operation } from '../../appliance/model/operation.ts'
import { createOperations, type Engine, type OnJournal } from '../../appliance/operations/engine.ts'
import { recoverImports } from '../../appliance/operations/import-leftovers.ts'
import { baseGeneration } from '../../appliance/operations/base-generation.ts'
import { createDismissals, dismissalIn } from '../../appliance/operations/dismissals.ts'
import type { ImportSteps } from '../../appliance/operations/import-steps.ts'
import { createImports } from '../../appliance/operations/imports.ts'
import { createRescans } from '../../appliance/operations/rescans.ts'
import { openHistory } from '../../appliance/state/history.ts'
import { trustedTime } from '../../appliance/state/trusted-time.ts'
import { importLedger } from '../../appliance/state/import-ledger.ts'
import { openJournal } from '../../appliance/state/journal.ts'
import { rescanLedger } from '../../appliance/state/rescan-ledger.ts'
import { openEventLog } from '../../appliance/telemetry/event-log.ts'
import type { ImportRecord } from '../../bundles/format/import-record.ts'
import type { Trust } from '../../bundles/format/trust.ts'
import { resolveMedia } from '../../importer/media/media.ts'
import { mountPoint } from '../../importer/media/mounts.ts'
import { createRescan, createScanners, type ScanConfig } from '../../importer/scan/index.ts'
import { createImporter, type InternalNames } from '../../importer/stage/index.ts'
import type { OpenMedia } from '../../importer/unpack/index.ts'
import { createMarks, loadTrust, openMarks, type Marks } from '../../importer/verify/index.ts'
import { filesFormat } from '../../mirror/files/format.ts'
import type { MirrorFormat } from '../../mirror/store/format.ts'
import { publishedIn } from '../../mirror/npm/published.ts'
import { openStore, type Store } from '../../mirror/store/open.ts'
import { openWithdrawn, type Withdrawn } from '../../mirror/store/withdrawn.ts'
import { person, type Person } from './bundles.ts'

/** The importing half of an appliance, with everything real but the API: store, marks, journal, ledger, confined unpacker. */
export type Site = {
  folder: string
  media: string
  store: Store
  marks: Marks
  withdrawn: Withdrawn
  /** The trust in force. */
  trust(): Trust
  imports: ReturnType<typeof createImports>
  rescans: ReturnType<typeof createRescans>
  dismissals: Dismissals
  operations: Engine
  events(): Event[]
  /** What was written into the audit log since it was opened. */
  audited: NewAuditRecord[]
  appliance: Person
  /** Submits a path and follows it until it waits or ends. */
  submit(path: string, by?: string): Promise<{ operation: Operation; record: ImportRecord }>
  /** Submit, go on, approve by another person, to the end. */
  importBundle(path: string): Promise<ImportRecord>
  /** Desired state as it would be with this in it. */
  plant(dismissal: Dismissal): void
  /** SHA-256 over every name and byte that an import must not touch before it is approved: blobs, catalogue, marks; and what staging holds. */
  fingerprint(): string
  close(): Promise<void>
}

export type SiteOptions = { trust: Trust; clock?: Clock; onJournal?: OnJournal; folder?: string; appliance?: Person; internalNames?: InternalNames; licences?: { refuse: string[]; warn: string[] }; formats?: readonly MirrorFormat[]; scan?: Partial<ScanConfig>; policy?: Policy; rescanBatch?: { files: number; bytes: number }; openMedia?: OpenMedia; placeOf?: (source: string) => string; answerMs?: number; around?: (steps: ImportSteps) => ImportSteps }

let requests = 0

export async function openSite(t: Pick<Test, 'teardown'>, options: SiteOptions): Promise<Site> {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'drydock-site-'))
  const clock = options.clock ?? { now: () => new Date() }
  const media = join(folder, 'media')
  const stagingDir = join(folder, 'staging')
  const marksDir = join(folder, 'marks')
  for (const path of [media, stagingDir, join(folder, 'db')]) mkdirSync(path, { recursive: true })
  await createMarks(marksDir)
  const marks = await openMarks(marksDir)
  const formats = options.formats ?? [filesFormat()]
  const store = await openStore({ dataDir: folder, formats, clock })
  const database = openHistory(join(folder, 'db', 'history.sqlite'))
  const events = openEventLog(database, clock, silentLog)
  const operations = createOperations({ journal: openJournal(database), events, clock, log: silentLog, ...(options.onJournal === undefined ? {} : { onJournal: options.onJournal }) })
  const appliance = options.appliance ?? (await person('appliance'))
  const withdrawn = openWithdrawn(store.catalogue, marks.recalls())
  const trustFile = join(folder, 'trust-in-force.json')
  const trust = (): Trust => (existsSync(trustFile) ? (JSON.parse(readFileSync(trustFile, 'utf8')) as Trust) : options.trust)
  if (marks.trust() === undefined) await marks.raiseTrust(await loadTrust(options.trust))
  let claims: Record<string, Dismissal> = {}
  const claimStore = { read: () => claims, update: async (change: (draft: Record<string, Dismissal>) => void) => {
    // As the real one: in its turn, not at once.
    await setImmediate()
    const draft = structuredClone(claims)
    change(draft)
    claims = draft
  } }
  const scanners = createScanners({ config: { scanners: [], clamav: 'off', clamavMaxAgeDays: 14, clamavRescan: 'off', ...options.scan }, clock, dismissed: alarm => wordsOf(dismissalIn(claimStore, alarm)) })
  const steps = createImporter({
    withdrawn, installTrust: async next => void (await writeDurably(trustFile, JSON.stringify(next))),
    stagingDir, baseGeneration: base => baseGeneration(importLedger(database), base), site: 'site-a', applianceId: '00000000-0000-7000-8000-000000000000', trust: () => loadTrust(trust()), marks, blobs: store.blobs, catalogue: store.catalogue, formats,
    clock: trustedTime({ wall: clock, build: new Date(0), newestBundle: () => marks.floor(), lastAudit: undefined }), signer: appliance.signer, internalNames: options.internalNames ?? {}, ...(options.licences === undefined ? {} : { licences: options.licences }),
    placeOf: options.placeOf ?? (source => mountPoint(source)),
    ...(options.openMedia === undefined ? {} : { openMedia: options.openMedia }),
    ...(options.answerMs === undefined ? {} : { answerMs: options.answerMs }),
    ...(options.scan === undefined ? {} : { scanners }),
  })
  const imports = createImports({ operations, steps: options.around?.(steps) ?? steps, ledger: importLedger(database), clock, stagingDir, resolveMedia: path => resolveMedia(path, ['/']) })
  const audited: NewAuditRecord[] = []
  const audit: Pick<AuditLog, 'record'> = { record: entry => ({ seq: audited.push(entry), at: '', fields: {}, previous: '', digest: '', ...entry }) }
  const published = publishedIn(folder)
  const rescans = createRescans({
    operations, ledger: rescanLedger(database), imports: importLedger(database), clock, withdrawnBy: digest => withdrawn.byDigest(digest)?.id,
    audit, dismissals: claimStore.read, isPublished: published.has,
    steps: createRescan({ scanners, catalogue: store.catalogue, blobs: store.blobs, published, folder: join(folder, 'work/rescan'), ...(options.rescanBatch === undefined ? {} : { batch: options.rescanBatch }) }),
  })
  const dismissals = createDismissals({ store: claimStore, policy: () => options.policy ?? { approvals: 1, separate: true }, clock, audit, events, find: id => claimable(rescans.findings(), id) })
  await recoverImports(stagingDir, importLedger(database), operations)
  operations.start()

  const site: Site = {
    plant: dismissal => void (claims = { ...claims, [dismissal.id]: dismissal }),
    folder, media, store, marks, withdrawn, trust, imports, rescans, dismissals, audited, operations, appliance,
    events: () => events.list(),
    async submit(path, by = 'olga') {
      const { id } = imports.submitPath(path, { actor: by, idempotencyKey: `request-${++requests}` })
      const operation = await operations.settled(id)
      return { operation, record: imports.get(id) }
    },
    async importBundle(path) {
      const { operation, record } = await site.submit(path)
      if (operation.state !== 'waiting') return record
      await imports.proceed(record.id, 'olga')
      if ((await operations.settled(operation.id)).state !== 'waiting') return imports.get(record.id)
      await imports.approve(record.id, 'anton')
      await operations.settled(operation.id)
      return imports.get(record.id)
    },
    fingerprint: () => treeHash(folder, path => !path.startsWith('db/history') && path !== 'db/catalogue.sqlite-shm' && !path.startsWith('media/')),
    async close() {
      await operations.stop()
      store.close()
      database.close()
    },
  }
  t.teardown(async () => {
    await site.close()
    if (options.folder === undefined) rmSync(folder, { recursive: true, force: true })
  })
  return site
}

/** An import that waits for its first word goes to its end: on after the preflight, approved by another person, served. */
export async function takeIn(t: Pick<Test, 'match'>, site: Site, id: string): Promise<void> {
  const { operation } = site.imports.get(id)
  t.match(await site.operations.settled(operation), { state: 'waiting', waitingOn: 'proceed' })
  await site.imports.proceed(id, 'olga')
  t.match(await site.operations.settled(operation), { state: 'waiting', waitingOn: 'approval' })
  await site.imports.approve(id, 'anton')
  t.match(await site.operations.settled(operation), { state: 'succeeded' })
}

/** Names, kinds and contents of a folder, as one digest. */
export function treeHash(folder: string, counts: (path: string) => boolean = () => true): string {
  const hash = createHash('sha256')
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).map(entry => ({ entry, path: join(entry.parentPath, entry.name).slice(folder.length + 1) }))
  for (const { entry, path } of entries.toSorted((a, b) => (a.path < b.path ? -1 : 1))) {
    if (!counts(path)) continue
    hash.update(`${path}\0${entry.isFile() ? 'file' : entry.isDirectory() ? 'folder' : 'other'}\0`)
    if (entry.isFile()) hash.update(readFileSync(join(folder, path)))
  }
  return hash.digest('hex')
}
