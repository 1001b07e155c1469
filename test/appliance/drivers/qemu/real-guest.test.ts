import t from 'tap'
import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { agentDesk } from '../../../../appliance/api/agent/desk.ts'
import { buildAgentServer } from '../../../../appliance/api/agent/routes.ts'
import { simConnector } from '../../../../appliance/ci/sim/connector.ts'
import type { SimJob } from '../../../../appliance/ci/sim/wire.ts'
import { wallClock } from '../../../../appliance/core/clock.ts'
import { digestFromHex } from '../../../../appliance/core/digest.ts'
import { silentLog } from '../../../../appliance/core/log.ts'
import { readManifest } from '../../../../appliance/drivers/image-folder.ts'
import { openQemu } from '../../../../appliance/drivers/qemu/driver.ts'
import { createPki } from '../../../../appliance/identity/pki.ts'
import type { CiEnrolment } from '../../../../appliance/model/ci-connector.ts'
import type { Ownership } from '../../../../appliance/model/hypervisor.ts'
import type { NodeRecord } from '../../../../appliance/model/node.ts'
import { enrolmentTokens } from '../../../../appliance/state/enrolment-tokens.ts'
import { openHistory } from '../../../../appliance/state/history.ts'
import { nodeRegistry } from '../../../../appliance/state/node-registry.ts'
import { ADMIN_TOKEN, SimCiProcess } from '../../ci/sim/sim-ci-process.ts'
import { processesWith } from './processes.ts'

/** A data folder with baked images, as the demo leaves it; the runner sets it. */
const imagesDir = join(process.env['DRYDOCK_TEST_CONTENT'] ?? '/nonexistent', 'data/images')
const hex = existsSync(imagesDir) ? readdirSync(imagesDir).find(name => /^[0-9a-f]{64}$/.test(name)) : undefined
const never = new AbortController().signal

async function until<T>(look: () => T | Promise<T>, holds: (value: T) => boolean, seconds: number): Promise<T> {
  for (const deadline = Date.now() + seconds * 1000; ; await sleep(100)) {
    const value = await look()
    if (holds(value) || Date.now() > deadline) return value
  }
}

t.setTimeout(280_000)
await t.test('a real guest under QEMU', { skip: hex === undefined ? 'DRYDOCK_TEST_CONTENT names no folder with a baked image' : false }, async t => {
  t.setTimeout(280_000)
  const folder = t.testdir()
  mkdirSync(join(folder, 'data'))
  const owner: Ownership = { applianceId: randomUUID(), pool: 'linux-demo', revision: 1, fence: 1 }
  const digest = digestFromHex(hex ?? '')
  const image = { digest, folder: join(imagesDir, hex ?? ''), commandLine: '' }
  const manifest = await readManifest(image)
  const layers = manifest.layers.map(layer => layer.verityRoot)

  const ca = await createPki({ folder: join(folder, 'pki'), passphrase: 'secret of the test', names: ['appliance.test'], clock: wallClock, siteId: 'test', applianceId: owner.applianceId })
  const database = openHistory(join(folder, 'history.sqlite'))
  const nodes = nodeRegistry(database)
  const tokens = enrolmentTokens(database, wallClock)
  const server = new SimCiProcess(join(folder, 'ci'))
  await server.start()
  const ciPort = Number(new URL(server.url).port)
  const connector = simConnector({ name: 'ci', url: server.url, nodeUrl: `http://10.0.2.101:${ciPort}`, token: ADMIN_TOKEN })
  const enrolments = new Map<string, CiEnrolment>()
  const desk = agentDesk({ nodes, tokens, clock: wallClock, log: silentLog, layersOf: () => layers, ciEnrolment: async node => enrolments.get(node.name) ?? null, changed: () => undefined })
  const app = await buildAgentServer({ desk, ca, clock: wallClock, log: silentLog, tls: ca.server, heartbeatSeconds: 1 })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  /** Somebody on this machine whom the guest must not reach. */
  let reached = 0
  const forbidden = createServer(socket => {
    reached++
    socket.destroy()
  }).listen(0, '127.0.0.1')
  const vmsDir = join(folder, 'vms')
  const holes = [
    { guest: { address: '10.0.2.100', port }, host: { address: '127.0.0.1', port } },
    { guest: { address: '10.0.2.101', port: ciPort }, host: { address: '127.0.0.1', port: ciPort } },
  ]
  const driver = await openQemu({ name: 'local', applianceId: owner.applianceId, vmsDir, holes, clock: wallClock, log: silentLog })
  t.teardown(async () => {
    await driver.destroy('lin-1', owner, never)
    await app.close()
    forbidden.close()
    await server.kill('SIGTERM')
    database.close()
  })

  const record: NodeRecord = { name: 'lin-1', pool: 'linux-demo', revision: 1, fence: 1, hypervisor: 'local', image: digest, phase: 'booting', phaseSince: 0, createdAt: Date.now(), heartbeat: null, measurement: null, idleSince: null, waitsFor: null, failure: null, ciAgentId: null }
  nodes.put(record)
  await driver.ensureImage({ ...image, commandLine: manifest.commandLine }, never)
  const nodeJson = JSON.stringify({ name: 'lin-1', pool: 'linux-demo', appliance: { url: `https://appliance.test:${port}`, address: '10.0.2.100' }, ca: ca.caPem, token: tokens.issue('lin-1') })
  const startedAt = Date.now()
  await driver.create({ name: 'lin-1', ownership: owner, image: digest, hardware: { cpus: 1, memoryMiB: 1024 }, nodeJson }, never)

  await t.test('it boots, enrols through the one hole it has, and its kernel has this image’s layers open', async t => {
    t.setTimeout(120_000)
    const seen = await until(() => nodes.get('lin-1'), node => node?.firstHeartbeatAt !== undefined, 90)
    t.same(seen?.heartbeat?.layers, layers)
    t.comment(`first heartbeat after ${((seen?.firstHeartbeatAt ?? 0) - startedAt) / 1000} s`)
    if (seen?.heartbeat === null) t.comment(await driver.console('lin-1', never))
  })

  await t.test('its verify commands pass', async t => {
    t.setTimeout(90_000)
    const seen = await until(() => nodes.get('lin-1'), node => node?.measurement !== null, 60)
    t.ok(seen?.measurement !== null && seen?.measurement !== undefined)
    t.same(seen?.measurement?.verify.filter(result => !result.passed), [])
  })

  const run = async (command: string): Promise<SimJob> => {
    const { id } = (await server.admin('POST', '/jobs', { name: 'job', command, node: 'lin-1' })).json as SimJob
    return await until(async () => (await server.admin('GET', `/jobs/${id}`)).json as SimJob, job => job.finishedAt !== null, 60)
  }

  await t.test('it takes jobs from the CI server and echoes the nonce that this one made', async t => {
    t.setTimeout(90_000)
    const enrolment = await connector.enrol({ name: 'lin-1', labels: ['linux'] }, never)
    enrolments.set('lin-1', enrolment)
    nodes.put({ ...nodes.get('lin-1')!, phase: 'healthy', ciAgentId: enrolment.agentId })
    const job = await run('echo {nonce}; echo $DRYDOCK_LAYERS')
    t.match(job, { status: 0, output: `${job.nonce}\n${layers.join(',')}\n` })
  })

  await t.test('it reaches nobody else', async t => {
    t.setTimeout(90_000)
    const { port: elsewhere } = forbidden.address() as AddressInfo
    const job = await run(['10.0.2.2', '10.0.2.3', '10.0.2.100', '10.0.2.101', '127.0.0.1', '8.8.8.8'].map(address => `curl -s -m 2 http://${address}:${elsewhere}/ && echo reached ${address}`).join('; ') + '; true')
    t.equal(job.status, 0)
    t.equal(job.output, '')
    t.equal(reached, 0)
  })

  await t.test('destroy leaves neither its process nor those that carried its connections', async t => {
    const [vm] = await driver.list(never)
    t.match(readFileSync(`/proc/${vm?.handle}/status`, 'utf8'), /^NoNewPrivs:\t1\nSeccomp:\t2$/m, 'it runs behind its seccomp filter')
    t.equal(processesWith(`tcp:10.0.2.100:${port}-cmd`).length, 1)
    t.not(processesWith('-lpdrydock-').filter(line => line.includes(`:${port}`) || line.includes(`:${ciPort}`)).length, 0, 'the long poll has its socat')
    await driver.destroy('lin-1', owner, never)
    t.same(processesWith(`tcp:10.0.2.100:${port}-cmd`), [])
    t.same(processesWith('-lpdrydock-').filter(line => line.includes(`:${port}`) || line.includes(`:${ciPort}`)), [])
    t.same(readdirSync(vmsDir), [])
  })
})
