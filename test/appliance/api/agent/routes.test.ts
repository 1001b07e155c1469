import t from 'tap'
import { randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { ciEnrolments } from '../../../../appliance/api/agent/ci-enrolments.ts'
import { agentDesk, SOON_SECONDS } from '../../../../appliance/api/agent/desk.ts'
import { enrolmentTokens } from '../../../../appliance/state/enrolment-tokens.ts'
import { measurementDigest, NOT_MEASURED } from '../../../../appliance/api/agent/heartbeat.ts'
import { buildAgentServer } from '../../../../appliance/api/agent/routes.ts'
import { wallClock } from '../../../../appliance/core/clock.ts'
import { silentLog } from '../../../../appliance/core/log.ts'
import { createPki } from '../../../../appliance/identity/pki.ts'
import type { Measurement } from '../../../../appliance/model/image.ts'
import type { NodeRecord } from '../../../../appliance/model/node.ts'
import { openHistory } from '../../../../appliance/state/history.ts'
import { nodeRegistry } from '../../../../appliance/state/node-registry.ts'
import { ask, guestKey } from './guest.ts'

const LAYERS = ['a'.repeat(64), 'b'.repeat(64)]
const WRONG = ['a'.repeat(64), 'c'.repeat(64)]
const MEASUREMENT: Measurement = {
  verify: [{ role: 'numpy-1.26.0', run: 'x', expect: '1.26.0', found: '1.26.0', passed: true }],
  packages: ['bash=5'],
  environment: { ÄPFEL: 'ü\u007f', PATH: '/bin' },
  kernel: '6.1',
  parameters: 'quiet',
  mounts: ['/'],
  cpuModel: 'QEMU',
  cpuFlags: ['lm'],
}

await t.test('the agents’ port, over real TLS', async t => {
  const folder = t.testdir()
  const pki = async (name: string) => {
    const place = join(folder, name)
    mkdirSync(place)
    return await createPki({ folder: join(place, 'pki'), passphrase: 'secret of the test', names: ['appliance.example', '127.0.0.1'], clock: wallClock, siteId: 'test', applianceId: randomUUID() })
  }
  const ca = await pki('ours')
  const stranger = await pki('theirs')
  const database = openHistory(join(folder, 'history.sqlite'))
  const nodes = nodeRegistry(database)
  const tokens = enrolmentTokens(database, wallClock)
  const changed: string[] = []
  const enrolled: string[] = []
  const connector = { name: 'ci', kind: 'sim', quietWindow: 0 } as const
  const ci = ciEnrolments(
    () => ({
      connector: {
        ...connector,
        check: async () => ({ version: '1' }),
        enrol: async node => {
          enrolled.push(node.name)
          return { kind: 'sim', agentId: 'SIM-1', url: 'http://10.0.2.101:9000', secret: 's', labels: node.labels }
        },
        status: async () => [],
        quiesce: async () => undefined,
        resume: async () => undefined,
        remove: async () => undefined,
        jobs: async () => [],
      },
      labels: ['linux'],
    }),
    silentLog,
  )
  const desk = agentDesk({ nodes, tokens, clock: wallClock, log: silentLog, layersOf: () => LAYERS, ciEnrolment: async node => await ci.of(node), changed: node => changed.push(node.name) })
  const server = await buildAgentServer({ desk, ca, clock: wallClock, log: silentLog, tls: ca.server, heartbeatSeconds: 2 })
  await server.listen({ host: '127.0.0.1', port: 0 })
  const { port } = server.server.address() as AddressInfo
  t.teardown(async () => {
    await server.close()
    database.close()
  })

  const record = (name: string, change: Partial<NodeRecord> = {}): NodeRecord => ({
    name, pool: 'linux-demo', revision: 1, fence: 1, hypervisor: 'local', image: `sha256:${'1'.repeat(64)}`, phase: 'booting', phaseSince: 0, createdAt: Date.now(),
    heartbeat: null, measurement: null, idleSince: null, waitsFor: null, failure: null, ciAgentId: null, ...change,
  })
  const enrol = async (node: string, change: { token?: string; csr?: string } = {}) => {
    const { key, csr } = guestKey(folder, 'what the request says does not matter')
    const answer = await ask(port, ca.caPem, 'POST', '/agent/enrol', { token: change.token ?? tokens.issue(node), node, csr: change.csr ?? csr })
    return { ...answer, identity: { key, cert: String(answer.json?.['certificate']) }, csr }
  }
  const bootId = randomUUID()
  let seq = 0
  const beat = (change: object = {}): object => ({ bootId, seq: seq++, layers: LAYERS, jobs: [], measurementDigest: NOT_MEASURED, ...change })

  nodes.put(record('lin-1'))
  nodes.put(record('lin-2'))
  const token = tokens.issue('lin-1')

  await t.test('without a certificate everything but enrol is refused, also what is not there', async t => {
    for (const [method, path] of [['POST', '/agent/heartbeat'], ['POST', '/agent/measurement'], ['GET', '/agent/heartbeat'], ['GET', '/'], ['GET', '/nothing'], ['GET', '/api/v1/pools'], ['GET', '/agent/enrol']] as const) {
      t.match(await ask(port, ca.caPem, method, path, method === 'POST' ? beat() : undefined), { status: 401, json: { code: 'DD-AGENT-002' } }, `${method} ${path}`)
    }
  })

  await t.test('a wrong token, another node’s token and a token of nobody are refused in the same words', async t => {
    const wrong = await enrol('lin-1', { token: 'x'.repeat(43) })
    const others = await enrol('lin-2', { token })
    const nobody = await enrol('lin-99')
    t.match(wrong, { status: 403, json: { code: 'DD-AGENT-001' } })
    t.same([others.json, nobody.json], [wrong.json, wrong.json])
    t.equal(nodes.get('lin-1')?.heartbeat, null)
  })

  const first = await enrol('lin-1', { token })
  await t.test('a token is good once; for the same request it is answered again, for another it is not', async t => {
    t.match(first, { status: 200, json: { certificate: /BEGIN CERTIFICATE/, heartbeatSeconds: 2 } })
    t.match(await enrol('lin-1', { token, csr: first.csr }), { status: 200 })
    t.match(await enrol('lin-1', { token }), { status: 403 })
    const [one, two] = [tokens.issue('lin-2'), tokens.issue('lin-2')]
    t.match(await enrol('lin-2', { token: one }), { status: 200 })
    t.match(await enrol('lin-2', { token: two }), { status: 403 }, 'using one burns the others')
  })

  await t.test('tokens are not stored', async t => {
    t.notMatch(JSON.stringify(database.prepare('SELECT * FROM enrolment_tokens').all()), token)
  })

  await t.test('the certificate names the node, whatever the request and the body say', async t => {
    t.match(await ask(port, ca.caPem, 'POST', '/agent/heartbeat', beat(), first.identity), { status: 200, json: { want: 'run' } })
    t.match(nodes.get('lin-1')?.heartbeat, { bootId, seq: seq - 1 })
    t.equal(nodes.get('lin-2')?.heartbeat, null)
    t.type(nodes.get('lin-1')?.firstHeartbeatAt, 'number')
    t.same(changed, ['lin-1'])
  })

  await t.test('a certificate of another CA, and the server’s own, are refused', async t => {
    const { key, csr } = guestKey(folder, 'lin-1')
    const foreign = await stranger.signNode(csr, 'lin-1', new Date(Date.now() + 3_600_000))
    t.match(await ask(port, ca.caPem, 'POST', '/agent/heartbeat', beat(), { key, cert: foreign }), { status: 401 })
    t.match(await ask(port, ca.caPem, 'POST', '/agent/heartbeat', beat(), ca.server), { status: 401 })
    const expired = await ca.signNode(csr, 'lin-1', new Date(Date.now() - 1000))
    t.match(await ask(port, ca.caPem, 'POST', '/agent/heartbeat', beat(), { key, cert: expired }), { status: 401 })
  })

  await t.test('a repeated or earlier heartbeat changes nothing and is answered as usual', async t => {
    const before = nodes.get('lin-1')
    t.match(await ask(port, ca.caPem, 'POST', '/agent/heartbeat', { ...beat(), seq: 0, jobs: ['forged#1'] }, first.identity), { status: 200, json: { want: 'run' } })
    t.same(nodes.get('lin-1'), before)
  })

  await t.test('what it measured is asked for until it is here, and must have its digest', async t => {
    const digest = measurementDigest(MEASUREMENT)
    t.match(await ask(port, ca.caPem, 'POST', '/agent/heartbeat', beat({ measurementDigest: digest }), first.identity), { json: { measure: true } })
    t.match(await ask(port, ca.caPem, 'POST', '/agent/measurement', { bootId, digest, measurement: { ...MEASUREMENT, kernel: 'other' } }, first.identity), { status: 409, json: { code: 'DD-AGENT-003' } })
    t.match(await ask(port, ca.caPem, 'POST', '/agent/measurement', { bootId, digest, measurement: MEASUREMENT }, first.identity), { status: 204 })
    t.same(nodes.get('lin-1')?.measurement, MEASUREMENT)
    t.same((await ask(port, ca.caPem, 'POST', '/agent/heartbeat', beat({ measurementDigest: digest }), first.identity)).json, { want: 'run', again: SOON_SECONDS })
    await ask(port, ca.caPem, 'POST', '/agent/heartbeat', beat({ measurementDigest: `sha256:${'9'.repeat(64)}` }), first.identity)
    t.equal(nodes.get('lin-1')?.measurement, null, 'an old one is not taken for a new one')
  })

  await t.test('how its CI agent signs in comes with the answer once it is enrolled there, and is asked for again after a restart', async t => {
    nodes.put({ ...nodes.get('lin-1')!, phase: 'enrolled', ciAgentId: 'SIM-1' })
    for (const _ of [1, 2]) {
      t.same((await ask(port, ca.caPem, 'POST', '/agent/heartbeat', beat(), first.identity)).json, { want: 'run', ci: { kind: 'sim', agentId: 'SIM-1', url: 'http://10.0.2.101:9000', secret: 's', labels: ['linux'] }, again: SOON_SECONDS })
    }
    t.same(enrolled, ['lin-1'], 'once')
    ci.forget('lin-1')
    nodes.put({ ...nodes.get('lin-1')!, phase: 'draining' })
    t.same((await ask(port, ca.caPem, 'POST', '/agent/heartbeat', beat(), first.identity)).json, { want: 'quiesce', again: SOON_SECONDS }, 'a node on its way is asked to come back soon')
    t.same(enrolled, ['lin-1'], 'a node on its way out is not enrolled again')
  })

  await t.test('a guest of another image is told apart: kept for the planner to see, but given no work', async t => {
    nodes.put({ ...nodes.get('lin-1')!, phase: 'healthy', idleSince: 5 })
    t.same((await ask(port, ca.caPem, 'POST', '/agent/heartbeat', beat({ layers: WRONG }), first.identity)).json, { want: 'run' })
    t.match(nodes.get('lin-1'), { heartbeat: { layers: WRONG }, idleSince: null, phase: 'healthy' })
  })

  await t.test('jobs, and another boot, break its being idle', async t => {
    for (const change of [{ jobs: ['build#1'] }, { bootId: randomUUID(), seq: 0 }]) {
      await ask(port, ca.caPem, 'POST', '/agent/heartbeat', beat(), first.identity)
      nodes.put({ ...nodes.get('lin-1')!, idleSince: 5 })
      await ask(port, ca.caPem, 'POST', '/agent/heartbeat', beat(change), first.identity)
      t.equal(nodes.get('lin-1')?.idleSince, null)
    }
    await ask(port, ca.caPem, 'POST', '/agent/heartbeat', beat(), first.identity)
    nodes.put({ ...nodes.get('lin-1')!, idleSince: 5 })
    await ask(port, ca.caPem, 'POST', '/agent/heartbeat', beat(), first.identity)
    t.equal(nodes.get('lin-1')?.idleSince, 5, 'an idle heartbeat does not')
  })

  await t.test('each phase asks for what it should', async t => {
    for (const [phase, want] of [['healthy', 'run'], ['draining', 'quiesce'], ['drained', 'quiesce'], ['failed', 'quiesce'], ['removing', 'stop'], ['gone', 'stop']] as const) {
      nodes.put({ ...nodes.get('lin-1')!, phase })
      t.equal((await ask(port, ca.caPem, 'POST', '/agent/heartbeat', beat(), first.identity)).json?.['want'], want, phase)
    }
    t.match(await enrol('lin-1'), { status: 403 }, 'the token of a node that has ended is worth nothing')
  })

  await t.test('bodies of another shape, and too large ones, are refused', async t => {
    nodes.put({ ...nodes.get('lin-1')!, phase: 'healthy' })
    t.match(await ask(port, ca.caPem, 'POST', '/agent/heartbeat', beat({ extra: 1 }), first.identity), { status: 400, json: { code: 'DD-CORE-009' } })
    t.match(await ask(port, ca.caPem, 'POST', '/agent/heartbeat', beat({ layers: ['short'] }), first.identity), { status: 400 })
    t.match(await ask(port, ca.caPem, 'POST', '/agent/heartbeat', beat({ jobs: ['x'.repeat(2 ** 20)] }), first.identity), { status: 413 })
    t.match(await ask(port, ca.caPem, 'POST', '/agent/enrol', { node: 'lin-1' }), { status: 400 })
  })
})
