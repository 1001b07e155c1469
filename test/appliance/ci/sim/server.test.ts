import t from 'tap'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { simConnector } from '../../../../appliance/ci/sim/connector.ts'
import type { SimJob } from '../../../../appliance/ci/sim/wire.ts'
import { runProgram } from '../../../../appliance/core/run-program.ts'
import { startShellAgent } from './shell-agent.ts'
import { ADMIN_TOKEN, SimCiProcess } from './sim-ci-process.ts'

const never = new AbortController().signal

await t.test('the sim CI server, as a process', async t => {
  const folder = t.testdir()
  const server = new SimCiProcess(join(folder, 'state'))
  await server.start()
  t.teardown(async () => await server.kill('SIGTERM'))
  const connector = simConnector({ name: 'ci', url: server.url, nodeUrl: 'http://10.0.2.101:9000/', token: ADMIN_TOKEN, quietWindow: 50 })

  const enqueue = async (job: object): Promise<SimJob> => (await server.admin('POST', '/jobs', job)).json as SimJob
  const finished = async (id: string): Promise<SimJob> => {
    for (let tries = 0; ; tries++) {
      const job = (await server.admin('GET', `/jobs/${id}`)).json as SimJob
      if (job.finishedAt !== null || tries > 200) return job
      await sleep(25)
    }
  }

  await t.test('guests are told another address than the appliance uses', async t => {
    const enrolment = await connector.enrol({ name: 'far-1', labels: [] }, never)
    t.equal(enrolment.url, 'http://10.0.2.101:9000')
    t.equal(connector.quietWindow, 50)
    t.equal(simConnector({ name: 'ci', url: server.url, token: '' }).quietWindow, 5000)
    await connector.remove('far-1', never)
  })

  const enrolment = { ...(await connector.enrol({ name: 'lin-1', labels: ['linux'] }, never)), url: server.url }
  const agent = startShellAgent(enrolment)
  t.teardown(async () => await agent.stop())

  await t.test('the server makes the nonce that a job echoes', async t => {
    const job = await finished((await enqueue({ name: 'nonce', command: 'echo {nonce}' })).id)
    t.match(job.nonce, /^[0-9a-f]{24}$/)
    t.equal(job.output, `${job.nonce}\n`)
  })

  await t.test('a job waits for an agent that has its labels', async t => {
    const job = await enqueue({ name: 'mac', command: 'true', labels: ['linux', 'mac'] })
    await sleep(150)
    t.match((await server.admin('GET', `/jobs/${job.id}`)).json, { startedAt: null, node: '' })
    const mac = startShellAgent({ ...(await connector.enrol({ name: 'mac-1', labels: ['mac', 'linux'] }, never)), url: server.url })
    t.match(await finished(job.id), { node: 'mac-1', status: 0 })
    await mac.stop()
    await connector.remove('mac-1', never)
  })

  await t.test('a lost answer to a result, or to the question for a job, loses no job and runs none twice', async t => {
    await server.admin('PUT', '/faults', { lostResultAnswers: 2, lostJobAnswers: 2 })
    const jobs = await Promise.all([1, 2, 3].map(async number => await enqueue({ name: 'lost', command: `echo ${number}`, node: 'lin-1' })))
    for (const job of jobs) t.match(await finished(job.id), { status: 0, killed: false })
    t.same(agent.ran.filter(id => jobs.some(job => job.id === id)), jobs.map(job => job.id))
    t.same((await server.admin('GET', '/faults')).json, { lostResultAnswers: 0, lostJobAnswers: 0 })
  })

  /** A job that runs until the returned function is called. */
  const gated = async (name: string): Promise<{ id: string; open(): void }> => {
    const gate = join(folder, name)
    const { id } = await enqueue({ name, command: `while [ ! -e '${gate}' ]; do sleep 0.05; done; echo survived`, node: 'lin-1' })
    for (let tries = 0; tries < 200 && ((await server.admin('GET', `/jobs/${id}`)).json as SimJob).startedAt === null; tries++) await sleep(25)
    return { id, open: () => writeFileSync(gate, '') }
  }

  await t.test('late idle: a job is reported for a while after its end', async t => {
    await server.admin('PUT', '/faults', { lateIdleMilliseconds: 600_000 })
    const job = await finished((await enqueue({ name: 'late', command: 'true', node: 'lin-1' })).id)
    t.ok((await connector.status(never))[0]?.jobs.includes(`late#${job.id}`))
    await server.admin('PUT', '/faults', { lateIdleMilliseconds: 50 })
    await sleep(100)
    t.match(await connector.status(never), [{ node: 'lin-1', jobs: [] }])
  })

  await t.test('false idle: a busy agent is reported as idle', async t => {
    const job = await gated('false')
    t.match(await connector.status(never), [{ node: 'lin-1', jobs: [`false#${job.id}`] }])
    await server.admin('PUT', '/faults', { falseIdle: true })
    t.match((await server.admin('GET', `/jobs/${job.id}`)).json, { startedAt: Number, finishedAt: null })
    t.match(await connector.status(never), [{ node: 'lin-1', jobs: [] }])
    job.open()
    await finished(job.id)
    await server.admin('PUT', '/faults', {})
  })

  await t.test('after kill -9 it goes on: same agents, same secrets, the running job still running', async t => {
    const job = await gated('over')
    const queued = await enqueue({ name: 'next', command: 'echo next', node: 'lin-1' })
    await server.kill('SIGKILL')
    await server.start()
    t.same({ ...(await connector.enrol({ name: 'lin-1', labels: ['linux'] }, never)), url: server.url }, enrolment)
    t.match(await connector.status(never), [{ node: 'lin-1', jobs: [`over#${job.id}`], online: true }])
    job.open()
    t.match(await finished(job.id), { status: 0, output: 'survived\n' })
    t.match(await finished(queued.id), { status: 0, output: 'next\n' })
  })

  await t.test('removing a busy agent is seen on its job', async t => {
    const job = await gated('cut')
    await connector.remove('lin-1', never)
    t.match(await finished(job.id), { status: 143, killed: true })
    job.open()
  })

  await t.test('nobody gets anything without the right token', async t => {
    for (const [method, path] of [['GET', '/'], ['GET', '/agents'], ['POST', '/agents'], ['GET', '/jobs'], ['POST', '/jobs'], ['GET', '/jobs/1'], ['PUT', '/faults'], ['DELETE', '/agents/SIM-1'], ['PUT', '/agents/SIM-1/quiesced'], ['GET', '/agents/SIM-1/next'], ['POST', '/jobs/1/result']] as const) {
      for (const authorization of ['', 'Bearer wrong', `Bearer ${ADMIN_TOKEN}x`]) {
        const response = await fetch(`${server.url}${path}`, { method, headers: { authorization, 'content-type': 'application/json' }, ...(method === 'GET' ? {} : { body: '{}' }) })
        t.equal(response.status, 401, `${method} ${path}`)
        await response.arrayBuffer()
      }
    }
    const one = await connector.enrol({ name: 'one-1', labels: [] }, never)
    const two = await connector.enrol({ name: 'two-1', labels: [] }, never)
    const response = await fetch(`${server.url}/agents/${two.agentId}/next`, { headers: { authorization: `Bearer ${one.secret}` } })
    t.equal(response.status, 401, 'an agent’s secret is good for that agent only')
    await response.arrayBuffer()
  })

  await t.test('wrong arguments end with what to do and exit 2', async t => {
    const { code, stderr } = await runProgram(process.execPath, { args: [join(import.meta.dirname, '../../../../appliance/ci/sim/server.ts'), '--listen', 'nonsense'], accept: [2] })
    t.equal(code, 2)
    t.match(stderr, /expected --state DIR.*\n.*--token TOKEN\nDD-CLI-001/)
  })
})
