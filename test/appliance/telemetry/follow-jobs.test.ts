import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import { wallClock } from '../../../appliance/core/clock.ts'
import { silentLog } from '../../../appliance/core/log.ts'
import type { CiJob } from '../../../appliance/model/ci-connector.ts'
import type { NodeRecord } from '../../../appliance/model/node.ts'
import { simConnector } from '../../../appliance/ci/sim/connector.ts'
import { openHistory } from '../../../appliance/state/history.ts'
import { openJobHistory } from '../../../appliance/state/job-history.ts'
import { nodeRegistry } from '../../../appliance/state/node-registry.ts'
import { eventLine } from '../../../appliance/model/event-line.ts'
import { followJobs } from '../../../appliance/telemetry/follow-jobs.ts'
import { openEventLog } from '../../../appliance/telemetry/event-log.ts'
import { ADMIN_TOKEN, SimCiProcess } from '../ci/sim/sim-ci-process.ts'

const IMAGE = `sha256:${'a'.repeat(64)}`
const node: NodeRecord = {
  name: 'lin-1', pool: 'p', revision: 3, fence: 1, hypervisor: 'h', image: IMAGE, phase: 'healthy', phaseSince: 0, createdAt: 0, heartbeat: null, measurement: null, idleSince: null, waitsFor: null,
  failure: null, ciAgentId: null,
}

await t.test('a job is kept with the image and revision of its node, and follows what the CI server says of it', async t => {
  const ci = new SimCiProcess(join(t.testdir(), 'ci'))
  await ci.start()
  t.teardown(async () => await ci.kill('SIGTERM'))
  const database = openHistory(join(t.testdirName, 'h.sqlite'))
  const nodes = nodeRegistry(database)
  nodes.put(node)
  const history = openJobHistory(database)
  const connector = simConnector({ name: 'ci', url: ci.url, token: ADMIN_TOKEN })
  await connector.enrol({ name: 'lin-1', labels: [] }, AbortSignal.timeout(5000))
  await ci.admin('POST', '/jobs', { name: 'build', command: 'true', node: 'lin-1' })
  const jobs = followJobs({ history, ci: new Map([['ci', connector]]), nodes, clock: wallClock, log: silentLog, every: 20 })
  while (history.list({}).length === 0) await pause(10)
  await jobs.stop()
  t.match(history.list({ node: 'lin-1' }), [{ connection: 'ci', name: 'build', node: 'lin-1', image: IMAGE, revision: 3, status: null }])
  const [job] = history.list({})
  history.put({ ...(job as CiJob), connection: 'ci', image: null, revision: null, status: 0, finishedAt: 5 })
  t.match(history.list({}), [{ status: 0, image: IMAGE, revision: 3 }], 'what it ran on is not forgotten')
  database.close()
})

await t.test('node numbers are never used again, and a node that is gone is kept but not shown', async t => {
  const file = join(t.testdir(), 'h.sqlite')
  const first = openHistory(file)
  t.same(nodeRegistry(first).allocate('lin', 2), ['lin-1', 'lin-2'])
  first.close()
  const second = openHistory(file)
  const nodes = nodeRegistry(second)
  t.same([nodes.allocate('lin', 1), nodes.allocate('win', 1)], [['lin-3'], ['win-1']])
  nodes.put(node)
  nodes.put({ ...node, name: 'lin-2', phase: 'gone' })
  t.same([nodes.list('p'), nodes.list('q'), nodes.list('p', { gone: true })].map(list => list.map(({ name }) => name)), [['lin-1'], [], ['lin-1', 'lin-2']])
  t.equal(nodes.get('lin-2')?.phase, 'gone')
  second.close()
})

await t.test('a follower gets what is stored and what comes, each event once and in order, and a bad one is dropped', async t => {
  const database = openHistory(join(t.testdir(), 'h.sqlite'))
  const events = openEventLog(database, wallClock, silentLog)
  const emit = (n: number) => events.emit({ type: 'drain.node', subject: `node:lin-${n}`, fields: { n } })
  emit(1)
  emit(2)
  const [all, one]: number[][] = [[], []]
  events.subscribe({ after: 1 }, event => void all?.push(event.seq))
  events.subscribe({ subject: 'node:lin-3' }, event => void one?.push(event.seq))
  events.subscribe({}, () => {
    throw new TypeError('broken')
  })
  const end = events.subscribe({ subject: 'node:*' }, () => end())
  emit(3)
  await pause(20)
  emit(4)
  await pause(20)
  t.same([all, one], [[2, 3, 4], [3]])
  t.same(events.list({ subject: 'node:*', after: 2, limit: 1 }).map(({ seq }) => seq), [3])
  t.equal(events.last(), 4)
  database.close()
})

await t.test('an event line cannot be forged from inside a fact', async t => {
  const line = eventLine({ at: '2026-11-21T09:42:03.123Z', type: 'spec.update', fields: { pool: 'linux-perf-ci', diff: 'python:3.10→3.11 numpy:1.25→1.26', evil: 'a\nb\u001b[2K', quote: 'say "x" now', empty: '', n: 3 } })
  t.equal(line, String.raw`09:42:03 spec.update   pool=linux-perf-ci diff="python:3.10→3.11 numpy:1.25→1.26" evil=a\u000ab\u001b[2K quote="say \"x\" now" empty="" n=3`)
})
