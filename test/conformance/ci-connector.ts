import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { DrydockError } from '../../appliance/core/error.ts'
import type { CiConnector, CiEnrolment, CiNodeStatus } from '../../appliance/model/ci-connector.ts'

/** A CI server as the suite needs it: a connector to it, agents of its kind, jobs put into its queue by other means than the connector. */
export type CiUnderTest = {
  connector: CiConnector
  /** The same server, asked with credentials that it does not know. */
  stranger: CiConnector
  /** A connector to an address where nobody listens. */
  nobody: CiConnector
  startAgent(enrolment: CiEnrolment): { stop(): Promise<void> }
  /** For this node; returns the job's id. */
  enqueue(node: string, name: string, command: string): Promise<string>
}

const never = (): AbortSignal => new AbortController().signal

async function code(work: Promise<unknown>): Promise<string> {
  return await work.then(() => 'no error', (failure: unknown) => (failure instanceof DrydockError ? failure.code : String(failure)))
}

async function until<T>(look: () => Promise<T>, holds: (value: T) => boolean): Promise<T> {
  for (let tries = 0; ; tries++) {
    const value = await look()
    if (holds(value) || tries >= 200) return value
    await sleep(25)
  }
}

/** What every connector must do; `make` gives an empty server. */
export async function ciConformance(t: Test, make: (t: Test) => Promise<CiUnderTest>): Promise<void> {
  const { connector, stranger, nobody, startAgent, enqueue } = await make(t)
  const folder = t.testdir()
  const nodeStatus = async (node: string): Promise<CiNodeStatus | undefined> => (await connector.status(never())).find(status => status.node === node)
  /** A job that runs until the returned function is called. */
  const gatedJob = async (node: string, name: string): Promise<{ id: string; open(): void }> => {
    const gate = join(folder, `${node}-${name}`)
    const id = await enqueue(node, name, `while [ ! -e '${gate}' ]; do sleep 0.05; done; echo done`)
    return { id, open: () => writeFileSync(gate, '') }
  }

  await t.test('check says the server’s version', async t => t.match(await connector.check(never()), { version: /./ }))

  await t.test('wrong credentials and a server that is not there are told apart', async t => {
    t.equal(await code(stranger.status(never())), 'DD-CI-002')
    t.equal(await code(stranger.enrol({ name: 'lin-1', labels: [] }, never())), 'DD-CI-002')
    t.equal(await code(nobody.status(never())), 'DD-CI-001')
    t.equal(await code(connector.status(AbortSignal.abort())), 'DD-CORE-007')
  })

  const first = await connector.enrol({ name: 'lin-1', labels: ['linux', 'perf'] }, never())
  await t.test('enrolling again gives the same enrolment', async t => {
    t.match(first, { kind: connector.kind, agentId: /./, url: /^http/, secret: /./, labels: ['linux', 'perf'] })
    t.same(await connector.enrol({ name: 'lin-1', labels: ['linux', 'perf'] }, never()), first)
    t.equal((await connector.status(never())).length, 1)
  })

  await t.test('a node is offline until its agent asks', async t => {
    t.match(await nodeStatus('lin-1'), { online: false, quiesced: false, jobs: [] })
  })

  const agent = startAgent(first)
  await t.test('a job runs on the node, and the node is busy as long as it does', async t => {
    t.match(await until(() => nodeStatus('lin-1'), status => status?.online === true), { online: true, jobs: [] })
    const job = await gatedJob('lin-1', 'build')
    t.match(await until(() => nodeStatus('lin-1'), status => status?.jobs.length === 1), { online: true, jobs: [`build#${job.id}`] })
    t.match((await connector.jobs(0, never())).find(found => found.id === job.id), { node: 'lin-1', name: 'build', status: null, finishedAt: null, startedAt: Number })
    job.open()
    await until(() => nodeStatus('lin-1'), status => status?.jobs.length === 0)
    const done = (await connector.jobs(0, never())).find(found => found.id === job.id)
    t.match(done, { node: 'lin-1', status: 0, output: 'done\n' })
    t.ok(done?.queuedAt !== undefined && done.queuedAt <= (done.startedAt ?? 0) && (done.startedAt ?? 0) <= (done.finishedAt ?? 0))
    t.same((await connector.jobs((done?.finishedAt ?? 0) + 1, never())).filter(found => found.id === job.id), [], 'since leaves out what did not change')
  })

  await t.test('a failing job reports its exit status', async t => {
    const id = await enqueue('lin-1', 'fail', 'echo bad >&2; exit 3')
    const jobs = await until(() => connector.jobs(0, never()), found => found.some(job => job.id === id && job.finishedAt !== null))
    t.match(jobs.find(job => job.id === id), { status: 3, output: 'bad\n' })
  })

  await t.test('a quiesced node ends its job and takes no other; quiesce twice is quiesced', async t => {
    const running = await gatedJob('lin-1', 'long')
    await until(() => nodeStatus('lin-1'), status => status?.jobs.length === 1)
    await connector.quiesce('lin-1', never())
    await connector.quiesce('lin-1', never())
    const marker = join(folder, 'ran-while-quiesced')
    const later = await enqueue('lin-1', 'later', `touch '${marker}'`)
    t.match(await nodeStatus('lin-1'), { quiesced: true, jobs: [`long#${running.id}`] }, 'the running job goes on')
    running.open()
    await until(() => nodeStatus('lin-1'), status => status?.jobs.length === 0)
    await sleep(300)
    t.match(await nodeStatus('lin-1'), { quiesced: true, jobs: [] })
    t.equal(existsSync(marker), false, 'no new job was given to it')
    await connector.resume('lin-1', never())
    await connector.resume('lin-1', never())
    await until(() => connector.jobs(0, never()), jobs => jobs.some(job => job.id === later && job.status === 0))
    t.equal(existsSync(marker), true, 'after resume it was')
    t.match(await nodeStatus('lin-1'), { quiesced: false })
  })

  await t.test('a removed node is gone at once; removing it again is no error, quiescing it is', async t => {
    await connector.remove('lin-1', never())
    t.same(await connector.status(never()), [])
    await connector.remove('lin-1', never())
    t.equal(await code(connector.quiesce('lin-1', never())), 'DD-CI-003')
    t.equal(await code(connector.resume('lin-1', never())), 'DD-CI-003')
  })

  await t.test('a node that comes again after that is a new agent, and the old secret is worth nothing', async t => {
    const again = await connector.enrol({ name: 'lin-1', labels: [] }, never())
    t.not(again.agentId, first.agentId)
    t.not(again.secret, first.secret)
    await sleep(200)
    t.match(await nodeStatus('lin-1'), { online: false })
    await connector.remove('lin-1', never())
  })
  await agent.stop()
}
