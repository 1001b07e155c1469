import { join } from 'node:path'
import { collectDefaultMetrics, Registry } from 'prom-client'
import { build } from '../../api/build.ts'
import type { Services } from '../../api/services.ts'
import { wallClock, type Clock } from '../../core/clock.ts'
import { DrydockError } from '../../core/error.ts'
import { ensureFolder } from '../../core/durable-file.ts'
import type { Log } from '../../core/log.ts'
import { rolloutPolicy } from '../../plan/rollout-policy.ts'
import { startReconciler, type Reconciler } from '../../execute/reconciler.ts'
import { openIdentity } from '../../identity/people.ts'
import { openPki } from '../../identity/pki.ts'
import { bake } from '../../images/bake.ts'
import { chooseBase, chooseRoles, readPacks } from '../../images/packs.ts'
import { resolve } from '../../images/resolve.ts'
import type { DesiredStore } from '../../model/desired.ts'
import { createOperations, type OnJournal } from '../../operations/engine.ts'
import { recoverImports } from '../../operations/import-leftovers.ts'
import { createDecisions } from '../../operations/decisions.ts'
import { createDismissals, dismissalIn } from '../../operations/dismissals.ts'
import { createImports } from '../../operations/imports.ts'
import { createPools, type PoolsDeps } from '../../operations/pools.ts'
import { createRescans } from '../../operations/rescans.ts'
import { createStepJournal } from '../../operations/step-journal.ts'
import { importLedger } from '../../state/import-ledger.ts'
import { openJobHistory } from '../../state/job-history.ts'
import { openJournal } from '../../state/journal.ts'
import { nodeRegistry } from '../../state/node-registry.ts'
import { rescanLedger } from '../../state/rescan-ledger.ts'
import { openStepRecords } from '../../state/step-records.ts'
import { followJobs } from '../../telemetry/follow-jobs.ts'
import { openEventLog } from '../../telemetry/event-log.ts'
import { baseGeneration } from '../../operations/base-generation.ts'
import { poolsThatCanMove } from '../../operations/pools/can-move.ts'
import { createRescan, createScanners } from '../../../importer/scan/index.ts'
import { bundleHeads, createImporter } from '../../../importer/stage/index.ts'
import { loadTrust } from '../../../importer/verify/index.ts'
import { mirrorFormats } from '../../../mirror/formats.ts'
import { publishedIn } from '../../../mirror/npm/published.ts'
import { mirrorRoutes } from '../../../mirror/routes.ts'
import { openStore } from '../../../mirror/store/open.ts'
import { openWithdrawn } from '../../../mirror/store/withdrawn.ts'
import type { Preflight } from '../../../bundles/format/import-record.ts'
import { openAgents, type Agents } from './agents.ts'
import { BUILD } from './build.ts'
import type { Config } from './config.ts'
import { hitsOf, recallViews, refuseNewImage, refuseWithdrawn, withdrawnBy } from './recalls.ts'
import { claimable, dismissalsIn, followDefinitions, wordsOf } from './rescans.ts'
import { checkTrust, clockReset, clockView, signedImports, trustAccept, trustView } from './standing.ts'
import { openConnections } from './connections.ts'
import { openImages, type Bake } from './images.ts'
import { listen } from './listen.ts'
import { openMedia, type MediaOverrides } from './media.ts'
import { openState, stopAtOnce } from './open-state.ts'
import { npmPeople } from './npm-people.ts'
import { openSimulated } from './simulated.ts'

/** What a test puts in the place of the real thing. Everything else is as in production. */
export type Overrides = {
  wall?: Clock
  resolve?: PoolsDeps['resolve']
  bake?: Bake
  /** Told around every journal record; a kill test stops the process in it. */
  onJournal?: OnJournal
  /** Milliseconds between two looks of reconcile. */
  intervals?: { moving: number; resting: number }
  reserveBytes?: number
  media?: MediaOverrides
  /** The private npm registry (verdaccio) takes a second to start; `false` leaves it out. */
  privateNpm?: boolean
  consoleFolder?: string
}

export type Appliance = { applianceId: string; url: string; agentUrl: string; caSha256: string; services: Services; desired: DesiredStore; close(): Promise<void> }

/**
 * Composition: every part is opened here, given what it needs, and closed in the opposite order. Nothing below this file knows the others.
 * Both ports are taken before any work goes on, so that a second start changes nothing.
 */
export async function startAppliance(config: Config, log: Log, overrides: Overrides = {}): Promise<Appliance> {
  const stack = new AsyncDisposableStack()
  try {
    return await compose(config, log, overrides, stack)
  } catch (failure) {
    await stack.disposeAsync()
    throw failure
  }
}

async function compose(config: Config, log: Log, overrides: Overrides, stack: AsyncDisposableStack): Promise<Appliance> {
  const wall = overrides.wall ?? wallClock
  const state = await openState({ config, wall, log, ...(overrides.reserveBytes === undefined ? {} : { reserveBytes: overrides.reserveBytes }) }, stack)
  const { paths, format, desired, database, secrets, marks, clock, lastAudit, signer, audit } = state
  const { applianceId } = format
  const pki = await openPki({ folder: paths.pki, passphrase: secrets.derive('pki'), names: config.names, clock })
  const formats = mirrorFormats({ publicUrl: config.publicUrl, releaseSigner: signer, clock })
  const store = await openStore({ dataDir: paths.root, formats, clock })
  stack.defer(() => store.close())
  const events = openEventLog(database, clock, log)
  if (state.lost !== null) events.emit({ type: 'audit.lost', subject: 'audit', fields: { ...state.lost } })
  await checkTrust({ desired, marks, audit, events, log })
  const withdrawn = openWithdrawn(store.catalogue, marks.recalls())
  const identity = openIdentity({ store: desired, clock })

  const hook = overrides.onJournal === undefined ? {} : { onJournal: overrides.onJournal }
  const operations = createOperations({ journal: openJournal(database), events, clock, log, stop: error => stopAtOnce(error, log), ...hook })
  const workDir = join(paths.root, 'work')
  await ensureFolder(workDir)
  const bakeNow: Bake = overrides.bake ?? (async (lock, run) => await bake(lock, { ...run, blobPath: digest => store.blobs.blobPath(digest), imagesDir: paths.images, workDir }))
  const images = openImages(paths.images, async (lock, run) => {
    await refuseNewImage(lock, withdrawn, images)
    return await bakeNow(lock, run)
  })

  // Guests report to reconcile and reconcile drives guests; the first calls come only after both are there.
  const late: { reconciler?: Reconciler; agents?: Agents } = {}
  const kick = (pool?: string): void => late.reconciler?.kick(pool)
  const connections = openConnections({
    desired, secrets, paths, applianceId, agentListen: config.agentListen, clock, log,
    openSim: async connection => await openSimulated(connection, { desired, paths, applianceId, desk: required(late.agents).desk, clock, log }),
  })
  const agents = openAgents({ database, registry: nodeRegistry(database), desired, ci: connections.ci, pki, config, clock, log, layersOf: images.layersOf, changed: node => kick(node.pool) })
  late.agents = agents
  stack.defer(async () => await connections.close())

  const pools = createPools({
    desired, operations, clock, catalogue: store.catalogue, blobs: store.blobs, nodes: agents.nodes, kick,
    lastPlan: pool => late.reconciler?.lastPlan(pool),
    async checkSpec(spec, catalogue) {
      rolloutPolicy(spec)
      const packs = await readPacks(catalogue, store.blobs)
      const where = { generation: catalogue.generation, arch: 'amd64' }
      chooseBase(spec.base, packs, where)
      chooseRoles(spec.roles, packs, where)
    },
    async resolve(spec, catalogue, signal) {
      const lock = await (overrides.resolve?.(spec, catalogue, signal) ?? resolve(spec, catalogue, store.blobs, { workDir, signal }))
      refuseWithdrawn(lock, withdrawn)
      return lock
    },
    bake: images.bake,
    readImage: images.get,
  })
  const dismissalStore = dismissalsIn(desired)
  const scanners = createScanners({ config: config.scan, clock, dismissed: alarm => wordsOf(dismissalIn(dismissalStore, alarm)) })
  const ledger = importLedger(database)
  const media = openMedia({ config, ledger, events, audit, log, ...(overrides.media === undefined ? {} : { overrides: overrides.media }) })
  const importer = createImporter({
    scanners,
    stagingDir: paths.staging, site: desired.read().siteId, applianceId, trust: async () => await loadTrust(desired.read().trust), marks, clock, blobs: store.blobs, catalogue: store.catalogue, formats, signer,
    withdrawn, hits: async digests => await hitsOf(digests, { images, desired, nodes: agents.nodes }),
    async installTrust(next) {
      await desired.update(draft => void (draft.trust = structuredClone(next)))
    },
    licences: config.policy.licences, internalNames: config.policy.internalNames,
    openMedia: source => media.open(source),
    placeOf: source => media.placeOf(source),
    affects: items => poolsThatCanMove(Object.values(desired.read().pools), items),
    baseGeneration: base => baseGeneration(ledger, base),
  })
  const heads = bundleHeads({ stagingDir: paths.staging, keptDir: paths.bundles })
  const imports = createImports({
    operations, ledger, clock, stagingDir: paths.staging,
    resolveMedia: source => media.resolve(source),
    separate: () => desired.read().policy.separate,
    steps: { ...importer, receipt: async (id, facts) => (await heads.keep(id), await importer.receipt(id, facts)), verify: async (...read) => withPolicy(await importer.verify(...read), desired.read().policy.approvals) },
  })

  const published = publishedIn(paths.root)
  const rescans = createRescans({
    operations, ledger: rescanLedger(database), imports: ledger, clock, audit, withdrawnBy: digest => withdrawnBy(digest, { withdrawn, catalogue: store.catalogue }),
    dismissals: dismissalStore.read,
    isPublished: published.has,
    steps: createRescan({ scanners, catalogue: store.catalogue, blobs: store.blobs, published, folder: join(workDir, 'rescan') }),
  })
  const dismissals = createDismissals({ store: dismissalStore, policy: () => desired.read().policy, clock, audit, events, find: id => claimable(rescans.findings(), id) })

  const metrics = new Registry()
  collectDefaultMetrics({ register: metrics })
  const readiness = { ready: false, waits: ['start'] }
  const services: Services = {
    siteId: desired.read().siteId, version: BUILD.version, clock, log, caPem: pki.caPem, signingKey: signer.publicKey, identity, audit, events, pools, imports, media, operations, nodes: agents.nodes, images, catalogue: store.catalogue, rescans, dismissals,
    connections: connections.api, metrics,
    trust: () => desired.read().trust,
    async sbom(id) {
      const told = await heads.told(id)
      if (told === undefined) throw new DrydockError('DD-IMPORT-024', `expected manifest and index of import ${id}, found none kept`, 'ask the sender: `drydock bundle sbom` tells it from the bundle')
      // Loaded when somebody asks: the start should not wait for it.
      return (await import('../../../bundles/sbom/index.ts')).sbomText(told)
    },
    scanners: async () => await scanners.views(store.catalogue.current()),
    trustView: async () => await trustView({ desired, marks, imports }),
    signedImports: fingerprint => signedImports(imports.list(), fingerprint),
    recalls: recallViews({ marks, catalogue: store.catalogue, images, desired, nodes: agents.nodes }),
    clockView: () => clockView({ wall, clock, marks, lastAudit: lastAudit.at }),
    decisions: createDecisions({
      clock, audit, events, elapsed: () => performance.now(), given: user => identity.users().find(({ name }) => name === user)?.given,
      kinds: { 'clock.reset': clockReset({ wall, clock, marks, forgetAudit: lastAudit.forget }), 'trust.accept': trustAccept({ desired, marks }) },
    }),
    readiness: () => readiness,
    consoleFolder: overrides.consoleFolder ?? join(import.meta.dirname, '../../../ui/dist'),
    async console(node, signal) {
      const record = agents.nodes.get(node)
      const driver = record === undefined ? undefined : connections.hypervisors.get(record.hypervisor)
      return driver === undefined ? '' : await driver.console(node, signal)
    },
  }
  const app = build(services, { https: pki.server })
  const privateNpm = overrides.privateNpm === false ? {} : { privateNpm: await startPrivateNpm(paths.root, config.publicUrl, npmPeople(identity, audit)) }
  await app.register(mirrorRoutes({ store, log, withdrawn, ...privateNpm }))
  const agentServer = await agents.server()
  stack.defer(async () => await operations.stop())
  stack.defer(async () => await app.close())
  stack.defer(async () => await agentServer.close())
  await listen(app, config.listen, 'console, API and mirrors')
  await listen(agentServer, config.agentListen, 'agents')

  audit.record({ actor: 'drydock', action: 'up', subject: `appliance:${applianceId}`, outcome: 'allowed', fields: { version: BUILD.version } })
  await connections.sync()
  const reconciler = startReconciler({
    applianceId, hypervisors: connections.hypervisors, ci: connections.ci, nodes: agents.nodes, enrolments: agents.enrolments, events, verdicts: pools, clock, log,
    image: images.baked,
    nodeJson: agents.nodeJson,
    journal: createStepJournal({ records: openStepRecords(database), clock, ...hook }),
    pools: () => Object.values(desired.read().pools),
    ...(overrides.intervals === undefined ? {} : { intervals: overrides.intervals }),
  })
  late.reconciler = reconciler
  stack.defer(async () => await reconciler.stop())
  const jobs = followJobs({ history: openJobHistory(database), ci: connections.ci, nodes: agents.nodes, clock, log })
  stack.defer(async () => await jobs.stop())
  pools.recover()
  await recoverImports(paths.staging, ledger, operations)
  operations.start()
  const upkeep = setInterval(() => void imports.expireUploads().catch((failure: unknown) => log.error({ cause: String(failure) }, 'uploads whose time is over stay')), UPLOAD_UPKEEP_MS)
  stack.defer(() => clearInterval(upkeep))
  await imports.expireUploads()
  if (config.scan.clamavRescan === 'auto') stack.defer(followDefinitions({ rescans, events, log }))
  media.start({ imports, operations })
  stack.defer(async () => await media.stop())
  Object.assign(readiness, { ready: true, waits: [] })
  const url = new URL(config.publicUrl)
  url.port = String(config.agentListen.port)
  return { applianceId, url: config.publicUrl, agentUrl: url.origin, caSha256: pki.caSha256, services, desired, close: async () => await stack.disposeAsync() }
}

/** How often uploads of failed imports are looked at; they are kept for days. */
const UPLOAD_UPKEEP_MS = 60 * 60 * 1000

/** The site says how many must agree to an ordinary bundle; what verification found to need more than one needs that many at least. */
function withPolicy<V extends { approvals: number; preflight: Preflight }>(verified: V, policy: number): V {
  // To withdraw is urgent and takes nothing in, so one other person is enough; to lift lets something back in and asks as many as content does.
  const lifts = verified.preflight.recall?.recalls.some(({ action }) => action === 'lift') === true
  if (verified.preflight.control === 'recall' && !lifts && verified.approvals === 1) return { ...verified, approvals: Math.min(1, policy) }
  return { ...verified, approvals: verified.approvals > 1 ? Math.max(verified.approvals, policy) : policy }
}

/** Loaded only when it is wanted: verdaccio is most of the start. */
async function startPrivateNpm(dataDir: string, publicUrl: string, authentication: ReturnType<typeof npmPeople>) {
  const { startPrivateRegistry } = await import('../../../mirror/npm/private-registry.ts')
  return await startPrivateRegistry({ dataDir, publicUrl, authentication })
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new DrydockError('DD-CORE-001', 'expected the appliance to be composed, found a part used before', 'report this: it is a fault in appliance/main')
  return value
}
