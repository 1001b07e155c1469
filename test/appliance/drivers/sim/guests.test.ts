import t from 'tap'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { agentDesk } from '../../../../appliance/api/agent/desk.ts'
import { simConnector } from '../../../../appliance/ci/sim/connector.ts'
import type { SimJob } from '../../../../appliance/ci/sim/wire.ts'
import { wallClock } from '../../../../appliance/core/clock.ts'
import { silentLog } from '../../../../appliance/core/log.ts'
import { openSim } from '../../../../appliance/drivers/sim/driver.ts'
import type { CiEnrolment } from '../../../../appliance/model/ci-connector.ts'
import type { Hypervisor, Ownership } from '../../../../appliance/model/hypervisor.ts'
import type { NodeRecord } from '../../../../appliance/model/node.ts'
import { enrolmentTokens } from '../../../../appliance/state/enrolment-tokens.ts'
import { openHistory } from '../../../../appliance/state/history.ts'
import { nodeRegistry } from '../../../../appliance/state/node-registry.ts'
import { tinyImage } from '../../../conformance/tiny-image.ts'
import { ADMIN_TOKEN, SimCiProcess } from '../../ci/sim/sim-ci-process.ts'

const never = new AbortController().signal
const owner: Ownership = { applianceId: 'appliance-1', pool: 'linux-demo', revision: 1, fence: 1 }
/** An address that only the guest knows; `reach` turns it into the real one. */
const GUEST_CI = 'http://10.0.2.101:9000'

async function until<T>(look: () => T | Promise<T>, holds: (value: T) => boolean): Promise<T> {
  for (let tries = 0; ; tries++) {
    const value = await look()
    if (holds(value) || tries >= 400) return value
    await sleep(25)
  }
}

await t.test('simulated guests', async t => {
  const folder = t.testdir()
  const good = await tinyImage(join(folder, 'images'), 'good')
  const database = openHistory(join(folder, 'history.sqlite'))
  const nodes = nodeRegistry(database)
  const tokens = enrolmentTokens(database, wallClock)
  const server = new SimCiProcess(join(folder, 'ci'))
  await server.start()
  const connector = simConnector({ name: 'ci', url: server.url, nodeUrl: GUEST_CI, token: ADMIN_TOKEN, quietWindow: 50 })
  const enrolments = new Map<string, CiEnrolment>()
  const desk = agentDesk({
    nodes, tokens, clock: wallClock, log: silentLog,
    layersOf: () => good.manifest.layers.map(layer => layer.verityRoot),
    ciEnrolment: async node => enrolments.get(node.name) ?? null,
    changed: () => undefined,
  })
  const open = async (name: string, settings: object): Promise<Hypervisor> => {
    const driver = await openSim({ name, applianceId: owner.applianceId, stateDir: join(folder, name), settings: { heartbeatMilliseconds: 100, ...settings }, desk, reach: url => url.replace(GUEST_CI, server.url), clock: wallClock, log: silentLog })
    await driver.ensureImage(good, never)
    return driver
  }
  const create = async (driver: Hypervisor, name: string): Promise<void> => {
    const record: NodeRecord = { name, pool: 'linux-demo', revision: 1, fence: 1, hypervisor: driver.name, image: good.digest, phase: 'booting', phaseSince: 0, createdAt: Date.now(), heartbeat: null, measurement: null, idleSince: null, waitsFor: null, failure: null, ciAgentId: null }
    nodes.put(record)
    await driver.create({ name, ownership: owner, image: good.digest, hardware: { cpus: 1, memoryMiB: 64 }, nodeJson: JSON.stringify({ name, token: tokens.issue(name) }) }, never)
  }
  const phase = (name: string, change: Partial<NodeRecord>): void => nodes.put({ ...nodes.get(name)!, ...change })
  let driver = await open('sim', {})
  t.teardown(async () => {
    await driver.close()
    await server.kill('SIGTERM')
    database.close()
  })

  await t.test('a guest boots, enrols, reports its image’s layers and passes its verify commands', async t => {
    await create(driver, 'lin-1')
    const seen = await until(() => nodes.get('lin-1'), node => node?.measurement !== null)
    t.same(seen?.heartbeat?.layers, good.manifest.layers.map(layer => layer.verityRoot))
    t.match(seen?.measurement?.verify, [{ role: 'debian-12', passed: true }, { role: 'numpy-1.26.0', expect: '1.26.0', found: '1.26.0', passed: true }])
    t.ok((seen?.firstHeartbeatAt ?? 0) - (seen?.createdAt ?? 0) < 5_000)
    t.match(await driver.console('lin-1', never), /@agent \d/)
  })

  const job = async (command: string): Promise<SimJob> => (await server.admin('POST', '/jobs', { name: 'job', command, node: 'lin-1' })).json as SimJob
  const finished = async (id: string): Promise<SimJob> => await until(async () => (await server.admin('GET', `/jobs/${id}`)).json as SimJob, found => found.finishedAt !== null)

  await t.test('it registers with the CI when it is told how, and acts jobs out without running anything', async t => {
    const enrolment = await connector.enrol({ name: 'lin-1', labels: [] }, never)
    enrolments.set('lin-1', enrolment)
    phase('lin-1', { phase: 'healthy', ciAgentId: enrolment.agentId })
    t.match(await until(async () => await connector.status(never), ([status]) => status?.online === true), [{ online: true }])
    const echo = await finished((await job('echo {nonce}')).id)
    t.match(echo, { status: 0, output: `${echo.nonce}\n` })
    t.match(await finished((await job('exit 3')).id), { status: 3 })
    t.match(await finished((await job('rm -rf /')).id), { status: 0, output: 'simulated: rm -rf /\n' })
  })

  await t.test('its heartbeats name the job that runs, and quiesced it takes no other', async t => {
    const long = await job('sleep 2')
    t.same((await until(() => nodes.get('lin-1'), node => node?.heartbeat?.jobs.length === 1))?.heartbeat?.jobs, [`job#${long.id}`])
    phase('lin-1', { phase: 'draining' })
    const later = await job('echo later')
    await finished(long.id)
    t.same((await until(() => nodes.get('lin-1'), node => node?.heartbeat?.jobs.length === 0))?.heartbeat?.jobs, [])
    await sleep(300)
    t.match((await server.admin('GET', `/jobs/${later.id}`)).json, { startedAt: null })
    t.match(await connector.status(never), [{ online: true, jobs: [] }], 'it is still there')
    phase('lin-1', { phase: 'healthy' })
    t.match(await finished(later.id), { status: 0 })
  })

  await t.test('with the driver opened again it goes on as the same boot, and the server’s job with it', async t => {
    const before = nodes.get('lin-1')?.heartbeat
    const running = await job('sleep 1.5')
    await until(() => nodes.get('lin-1'), node => node?.heartbeat?.jobs.length === 1)
    await driver.close()
    driver = await open('sim', {})
    t.match(await finished(running.id), { status: 0, killed: false })
    const after = (await until(() => nodes.get('lin-1'), node => node?.heartbeat?.jobs.length === 0))?.heartbeat
    t.equal(after?.bootId, before?.bootId)
    t.ok((after?.seq ?? 0) > (before?.seq ?? 0))
  })

  await t.test('told to stop, it powers off', async t => {
    phase('lin-1', { phase: 'removing' })
    t.match(await until(async () => await driver.list(never), ([vm]) => vm?.state === 'stopped'), [{ name: 'lin-1', state: 'stopped' }])
    await driver.destroy('lin-1', owner, never)
    await connector.remove('lin-1', never)
  })

  await t.test('bad images and dead guests are bad in the way that was asked for, each time', async t => {
    const wrong = await open('wrong', { badRoles: { 'numpy-1.26.0': 'wrong-layers' } })
    const failing = await open('failing', { badRoles: { 'numpy-1.26.0': 'verify-fails' } })
    const silent = await open('silent', { badRoles: { 'numpy-1.26.0': 'no-boot' } })
    const dead = await open('dead', { deadGuests: 1 })
    await Promise.all([create(wrong, 'bad-1'), create(failing, 'bad-2'), create(silent, 'bad-3'), create(dead, 'bad-4')])
    t.not((await until(() => nodes.get('bad-1'), node => node?.heartbeat !== null))?.heartbeat?.layers[0], good.manifest.layers[0]?.verityRoot)
    t.equal(nodes.get('bad-1')?.firstHeartbeatAt, undefined, 'it does not count as having come up')
    t.match((await until(() => nodes.get('bad-2'), node => node?.measurement !== null))?.measurement?.verify.at(-1), { role: 'numpy-1.26.0', passed: false })
    t.equal(nodes.get('bad-3')?.heartbeat, null)
    t.equal(nodes.get('bad-4')?.heartbeat, null)
    t.match(await silent.console('bad-3', never), /Kernel panic/)
    for (const each of [wrong, failing, silent, dead]) await each.close()
  })

  await t.test('a share of creates fails, the same ones in each run, and trying again helps', async t => {
    const fates = async (name: string): Promise<string[]> => {
      const flaky = await open(name, { seed: 7, failedCreates: 0.5, createMilliseconds: [0, 0], deadGuests: 1 })
      const outcome: string[] = []
      for (let number = 1; number <= 12; number++) outcome.push(await create(flaky, `fly-${number}`).then(() => 'made', (failure: { code: string }) => failure.code))
      for (let number = 1; number <= 12; number++) while (!(await create(flaky, `fly-${number}`).then(() => true, () => false)));
      t.equal((await flaky.list(never)).length, 12)
      await flaky.close()
      return outcome
    }
    const first = await fates('flaky')
    t.same(new Set(first), new Set(['made', 'DD-HV-007']))
    t.same(await fates('flaky-again'), first)
  })

  await t.test('ninety guests are up in a few seconds', async t => {
    const many = await open('many', {})
    const names = Array.from({ length: 90 }, (_, index) => `big-${index + 1}`)
    await Promise.all(names.map(async name => await create(many, name)))
    await until(() => names.filter(name => nodes.get(name)?.measurement !== null), found => found.length === 90)
    t.equal(names.filter(name => nodes.get(name)?.measurement !== null).length, 90)
    t.equal((await many.list(never)).length, 90)
    await many.close()
  })
})

await t.test('after kill -9 of the process that made them, the VMs are as they were', async t => {
  const folder = t.testdir()
  const image = await tinyImage(join(folder, 'images'), 'good')
  const child = spawn(process.execPath, [join(import.meta.dirname, 'make-vms-until-killed.ts'), join(folder, 'sim'), image.folder, image.digest], { stdio: ['ignore', 'pipe', 'inherit'] })
  const made: string[] = []
  child.stdout.on('data', (chunk: Buffer) => {
    made.push(...chunk.toString().trim().split('\n'))
    if (made.length >= 20) child.kill('SIGKILL')
  })
  await once(child, 'close')
  const driver = await openSim({ name: 'sim', applianceId: owner.applianceId, stateDir: join(folder, 'sim'), desk: null, reach: url => url, clock: wallClock, log: silentLog })
  const found = await driver.list(never)
  t.same(made.filter(name => !found.some(vm => vm.name === name && vm.state === 'running')), [], 'every one that was answered for is there')
  for (const vm of found) await driver.destroy(vm.name, vm.ownership, never)
  t.same(await driver.list(never), [])
  await driver.close()
})
