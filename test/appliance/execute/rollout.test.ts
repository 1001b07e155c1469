import t from 'tap'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { agentDesk } from '../../../appliance/api/agent/desk.ts'
import { simConnector } from '../../../appliance/ci/sim/connector.ts'
import { wallClock } from '../../../appliance/core/clock.ts'
import { parseDigest, type Digest } from '../../../appliance/core/digest.ts'
import { silentLog } from '../../../appliance/core/log.ts'
import { openSim } from '../../../appliance/drivers/sim/driver.ts'
import { plantForeignVm } from '../../../appliance/drivers/sim/vm-files.ts'
import type { ReconcilerDeps } from '../../../appliance/execute/ports.ts'
import { startReconciler } from '../../../appliance/execute/reconciler.ts'
import type { CiEnrolment } from '../../../appliance/model/ci-connector.ts'
import type { PoolRecord, Revision } from '../../../appliance/model/pool.ts'
import { createStepJournal } from '../../../appliance/operations/step-journal.ts'
import { enrolmentTokens } from '../../../appliance/state/enrolment-tokens.ts'
import { openHistory } from '../../../appliance/state/history.ts'
import { nodeRegistry } from '../../../appliance/state/node-registry.ts'
import { openStepRecords } from '../../../appliance/state/step-records.ts'
import { openEventLog } from '../../../appliance/telemetry/event-log.ts'
import { tinyImage } from '../../conformance/tiny-image.ts'
import { ADMIN_TOKEN, SimCiProcess } from '../ci/sim/sim-ci-process.ts'

const NODES = Number(process.env['DRYDOCK_NODES'] ?? 90)

/** A real registry, journal, event log, agents' desk, CI server and the simulated hypervisor; only the pools' half is played here. */
t.setTimeout(280_000)

void t.test(`${NODES} simulated nodes turn over to another image; afterwards nothing of the old ones is left`, async t => {
  const folder = t.testdir()
  const images = new Map((await Promise.all(['one', 'two'].map(async name => await tinyImage(join(folder, 'images'), name)))).map(image => [image.digest, image]))
  const [one, two] = [...images.keys()]
  // The disk's time is not what is looked at here.
  const database = openHistory(join(folder, 'history.sqlite'))
  database.exec('PRAGMA synchronous = OFF')
  const nodes = nodeRegistry(database)
  const tokens = enrolmentTokens(database, wallClock)
  const events = openEventLog(database, wallClock, silentLog)
  const server = new SimCiProcess(join(folder, 'ci'))
  await server.start()
  const enrolments = new Map<string, CiEnrolment>()
  const desk = agentDesk({
    nodes, tokens, clock: wallClock, log: silentLog,
    layersOf: image => images.get(parseDigest(image))?.manifest.layers.map(layer => layer.verityRoot) ?? null,
    ciEnrolment: async node => enrolments.get(node.name) ?? null,
    changed: node => reconciler.kick(node.pool),
  })
  const stateDir = join(folder, 'rack')
  const zero = { createMilliseconds: [0, 0], destroyMilliseconds: [0, 0], bootMilliseconds: [0, 0], verifyMilliseconds: [0, 0], heartbeatMilliseconds: 1000 }
  const rack = await openSim({ name: 'rack', applianceId: 'appliance-a', stateDir, settings: zero, desk, reach: url => url, clock: wallClock, log: silentLog })
  await plantForeignVm(stateDir, 'not-ours')

  const healthy = new Map<number, number>()
  const pool: PoolRecord = { name: 'linux-perf-ci', revisions: [], head: 0, target: null, lastHealthy: null, paused: null, fence: 0 }
  const apply = (image: Digest): void => {
    const spec: Revision['spec'] = {
      os: 'linux', size: NODES, base: 'debian-12', roles: [], nodeName: 'lin', hardware: { cpus: 1, memory: '512MiB' }, ci: { connection: 'ci', labels: ['linux'] }, hypervisors: ['rack'],
      rollout: { maxSurge: '50%', maxUnavailable: 0, canary: 1, soak: '0s', bootTimeout: '2m' },
    }
    pool.head += 1
    pool.fence += 1
    pool.revisions.push({ revision: pool.head, parent: pool.head - 1, author: 'ana', message: '', at: '', change: '', spec, specDigest: image, image, outcome: 'rolling-out' })
    pool.target = pool.head
    reconciler.kick(pool.name)
  }
  const deps: ReconcilerDeps = {
    applianceId: 'appliance-a', hypervisors: new Map([['rack', rack]]), ci: new Map([['ci', simConnector({ name: 'ci', url: server.url, token: ADMIN_TOKEN, quietWindow: 100 })]]),
    nodes, enrolments, events, clock: wallClock, log: silentLog,
    pools: () => [pool],
    image: async digest => images.get(digest)!,
    nodeJson: async node => JSON.stringify({ ...node, token: tokens.issue(node.name) }),
    journal: createStepJournal({ records: openStepRecords(database), clock: wallClock }),
    verdicts: {
      async declareHealthy(_pool, revision, count) {
        pool.revisions[revision - 1]!.outcome = 'healthy'
        pool.lastHealthy = revision
        healthy.set(revision, count)
      },
      async failRollout(_pool, _revision, reason) {
        t.fail(reason)
      },
      declareEmpty() {},
    },
    intervals: { moving: 250, resting: 1000 },
  }
  const reconciler = startReconciler(deps)
  t.teardown(async () => {
    await reconciler.stop()
    await rack.close()
    await server.kill('SIGTERM')
    database.close()
  })

  for (const [image, revision] of [[one!, 1], [two!, 2]] as const) {
    const [cpu, wall, before] = [process.cpuUsage(), performance.now(), reconciler.passes]
    apply(image)
    while (!healthy.has(revision) && performance.now() - wall < 200_000) await sleep(50)
    const { user, system } = process.cpuUsage(cpu)
    t.equal(healthy.get(revision), NODES, `revision ${revision} is healthy on every node`)
    t.comment(`${NODES} nodes, revision ${revision}: ${((performance.now() - wall) / 1000).toFixed(1)} s, ${reconciler.passes - before} looks, ${((user + system) / 1e6).toFixed(2)} s CPU of loop, records and simulated guests together`)
  }
  await reconciler.stop()

  const left = nodes.list(pool.name)
  t.ok(left.every(node => node.image === two && node.phase === 'healthy'), 'every node that is left is healthy and of the new image')
  t.strictSame(readdirSync(stateDir).toSorted(), [...left.map(node => `${node.name}.json`), 'not-ours.json'].toSorted(), 'nothing of the old ones is left, and the machine that is not ours is')
  const drained = events.list({ limit: 1000 }).filter(event => event.type === 'drain.node')
  t.equal(drained.length, NODES)
  t.ok(drained.every(event => event.fields['status'] === 'quiescing' && event.fields['jobs'] === 0))
})
