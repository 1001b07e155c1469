import { mkdirSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Registry } from 'prom-client'
import type { FastifyInstance } from 'fastify'
import type { ImportRecord } from '../../../bundles/format/import-record.ts'
import type { Item } from '../../../bundles/format/item.ts'
import type { Trust } from '../../../bundles/format/trust.ts'
import { build } from '../../../appliance/api/build.ts'
import type { Services } from '../../../appliance/api/services.ts'
import { wallClock } from '../../../appliance/core/clock.ts'
import { digestFromHex } from '../../../appliance/core/digest.ts'
import { DrydockError } from '../../../appliance/core/error.ts'
import { uuidv7 } from '../../../appliance/core/ids.ts'
import { silentLog } from '../../../appliance/core/log.ts'
import { newUser, openIdentity } from '../../../appliance/identity/people.ts'
import { createPki, type Pki } from '../../../appliance/identity/pki.ts'
import type { Desired } from '../../../appliance/model/desired.ts'
import type { Identity } from '../../../appliance/model/identity.ts'
import type { ImageManifest } from '../../../appliance/model/image.ts'
import type { NodeRecord } from '../../../appliance/model/node.ts'
import type { Operation } from '../../../appliance/model/operation.ts'
import type { Revision } from '../../../appliance/model/pool.ts'
import type { Dismissal } from '../../../appliance/model/dismissal.ts'
import type { RescanView, StandingFinding } from '../../../appliance/model/rescan.ts'
import { alarmId, createDismissals } from '../../../appliance/operations/dismissals.ts'
import type { PoolView, UserRole } from '../../../appliance/model/view.ts'
import { digestOf } from '../../../appliance/core/digest.ts'
import { createDecisions } from '../../../appliance/operations/decisions.ts'
import { createDesired, openDesired } from '../../../appliance/state/desired-store.ts'
import { openHistory } from '../../../appliance/state/history.ts'
import { openAuditLog } from '../../../appliance/telemetry/audit-log.ts'
import { openEventLog } from '../../../appliance/telemetry/event-log.ts'

/**
 * A server for tests: real identity, desired store, event and audit log, real TLS; pools, imports and operations are held in memory, because
 * what is tested here is the way to them.
 */
export type TestAppliance = {
  services: Services
  identity: Identity
  pki: Pki
  app: FastifyInstance
  /** Where it listens; once asked for. */
  url: string
  operations: Map<string, Operation>
  imports: Map<string, ImportRecord>
  pools: Map<string, PoolView>
  uploads: Buffer[]
  /** A token of the role's own user, without the cost of a password. */
  tokenOf(role: UserRole): Promise<string>
  close(): Promise<void>
}

export const DIGEST = digestFromHex('a'.repeat(64))
export const PASSWORD = 'four unrelated words here'

export async function openTestAppliance(folder: string, options: { breakAudit?: () => boolean } = {}): Promise<TestAppliance> {
  mkdirSync(folder, { recursive: true })
  const reserve = { give: () => false, hold: () => Promise.resolve('held' as const) }
  const storeOptions = {
    path: join(folder, 'desired.json'), reserve,
    stop: (error: DrydockError): never => {
      throw error
    },
  }
  const clock = wallClock
  await createDesired(storeOptions, await firstState())
  const store = await openDesired(storeOptions)
  const database = openHistory(join(folder, 'history.sqlite'))
  const signer = { fingerprint: 'F'.repeat(40), publicKey: '-----BEGIN PGP PUBLIC KEY BLOCK-----\n', sign: () => Promise.resolve('signature') }
  const audit = openAuditLog({ database, clock, log: silentLog, reserve, signer, applianceId: 'test', headFile: join(folder, 'head') })
  const events = openEventLog(database, clock, silentLog)
  const pki = await createPki({ folder: join(folder, 'pki'), passphrase: 'of a test', names: ['localhost', '127.0.0.1'], clock, siteId: 'site-a', applianceId: '00000000-0000-7000-8000-000000000001' })
  const identity = openIdentity({ store, clock })
  const operations = new Map<string, Operation>()
  const imports = new Map<string, ImportRecord>([['7', waitingImport()]])
  const pools = new Map<string, PoolView>([['linux-perf-ci', pool()]])
  const uploads: Buffer[] = []

  function operation(kind: string, subject: string, request: { actor: string; idempotencyKey: string }, state: Operation['state'] = 'succeeded'): Operation {
    const known = operations.get(request.idempotencyKey)
    if (known !== undefined) return known
    const now = clock.now().toISOString()
    const made: Operation = { id: uuidv7(clock.now()), kind, subject, actor: request.actor, state, waitingOn: state === 'waiting' ? 'proceed' : null, progress: null, error: null, result: {}, createdAt: now, updatedAt: now }
    operations.set(made.id, made)
    operations.set(request.idempotencyKey, made)
    return made
  }
  const importOf = (id: string): ImportRecord => {
    const record = imports.get(id) ?? [...imports.values()].find(one => one.id === id)
    if (record === undefined) throw new DrydockError('DD-CLI-012', `expected an import, found none: ${id}`, 'drydock import list')
    return record
  }
  const poolOf = (name: string): PoolView => {
    const found = pools.get(name)
    if (found === undefined) throw new DrydockError('DD-CLI-012', `expected a pool, found none: ${name}`, 'drydock pool list')
    return found
  }
  const change = (id: string, fields: Partial<ImportRecord>): ImportRecord => Object.assign(importOf(id), fields)

  let claims: Record<string, Dismissal> = {}
  const dismissals = createDismissals({
    store: { read: () => claims, update: change => Promise.resolve(change((claims = structuredClone(claims)))) }, policy: () => store.read().policy, clock, audit, events,
    find: id => (id === FOUND.id ? { ...FOUND, digest: DIGEST } : undefined),
  })
  const services: Services = {
    siteId: 'site-a', version: '0.0.0-test', clock, log: silentLog, caPem: pki.caPem, signingKey: signer.publicKey, identity, events,
    audit: {
      ...audit,
      record(entry) {
        if (options.breakAudit?.() === true) throw new DrydockError('DD-STATE-010', 'expected the audit record to be written, found a full disk', 'free space')
        return audit.record(entry)
      },
    },
    trustView: () => Promise.resolve({ version: 1, digest: `sha256:${'a'.repeat(64)}`, behind: null, keys: [], roles: store.read().trust.roles, pending: [] }),
    signedImports: () => [],
    recalls: () => Promise.resolve([{ id: '7', reason: 'it steals keys', severity: 'high', date: '2026-11-21T08:00:00Z', digests: [], items: ['npm:left-pad@*'], replacement: null, manifest: digestOf('recall'), at: clock.now().toISOString(), lifted: null, hits: [{ recall: '7', kind: 'pool', name: 'linux-perf-ci', what: 'left-pad 1.3.0' }] }]),
    clockView: () => ({ wall: clock.now().toISOString(), trusted: clock.now().toISOString(), floor: new Date(0).toISOString(), build: new Date(0).toISOString(), newestBundle: null, lastAudit: null, wrong: false }),
    decisions: createDecisions({ clock, audit, events, elapsed: () => performance.now(), given: () => ({ by: null, at: '' }), kinds: { 'clock.reset': { says: to => `the floor goes to ${to}`, act: () => Promise.resolve() }, 'trust.accept': { says: () => 'the trust counts', act: () => Promise.resolve() } } }),
    media: { list: async () => [] },
    pools: {
      list: () => [...pools.values()],
      get: poolOf,
      async create(document, message, actor) {
        pools.set(document.metadata.name, { ...pool(), name: document.metadata.name, document })
        return revision(1, actor, message)
      },
      async update(name, changed, message, actor) {
        const at = poolOf(name)
        at.head += 1
        if (changed.roles !== undefined) at.document = { ...at.document, spec: { ...at.document.spec, roles: changed.roles } }
        return { ...revision(at.head, actor, message), change: 'python 3.10 → 3.11, numpy 1.25.2 → 1.26.0' }
      },
      async diff(name) {
        const at = poolOf(name)
        return { from: at.target, to: at.head, roles: ['numpy 1.25.2 → 1.26.0'], packages: [{ name: 'numpy', from: '1.25.2', to: '1.26.0' }], fields: [], layers: [{ name: 'base', state: 'same' }, { name: 'numpy-1.26.0', state: 'new' }], nodesToReplace: 2 }
      },
      apply(name, request) {
        poolOf(name)
        const made = operation('pool.apply', `pool:${name}`, request, 'running')
        events.emit({ type: 'spec.update', subject: `pool:${name}`, operation: made.id, fields: { pool: name, diff: 'numpy:1.25→1.26' } })
        setTimeout(() => {
          events.emit({ type: 'pool.healthy', subject: `pool:${name}`, fields: { pool: name, nodes: 2 } })
          Object.assign(poolOf(name), { state: 'healthy', target: poolOf(name).head, counts: { size: 2, ready: 2, new: 2, old: 0, draining: 0 } })
          Object.assign(made, { state: 'succeeded' })
        }, 300).unref()
        return made
      },
      rollback: (name, to, request) => ({ ...operation('pool.rollback', `pool:${poolOf(name).name}`, request), result: { to } }),
      history: name => [revision(1, 'ana', 'first'), { ...revision(2, 'ana', `of ${poolOf(name).name}`), parent: 1 }],
      async pause(name, reason, actor) {
        poolOf(name).paused = { by: actor, reason, at: clock.now().toISOString() }
      },
      async resume(name) {
        poolOf(name).paused = null
      },
      delete: (name, request) => operation('pool.delete', `pool:${poolOf(name).name}`, request),
    },
    imports: {
      list: () => [...imports.values()],
      get: importOf,
      submitPath: (path, request) => operation('import', path, request, 'waiting'),
      async submitStream(body, name, request) {
        const chunks: Uint8Array[] = []
        for await (const chunk of body) chunks.push(chunk)
        uploads.push(Buffer.concat(chunks))
        const made = operation('import', 'import:8', request, 'waiting')
        imports.set('8', { ...waitingImport(), id: '8', sequence: 8, operation: made.id, state: 'verified', source: name, submittedBy: request.actor })
        return made
      },
      async proceed(id) {
        const changed = change(id, { state: 'awaiting-approval' })
        const made = operations.get(changed.operation)
        if (made !== undefined) made.waitingOn = 'approval'
        return changed
      },
      async approve(id, actor) {
        if (importOf(id).submittedBy === actor) throw new DrydockError('DD-IDENT-004', 'expected an approver who did not submit it, found the submitter', 'ask somebody else')
        return change(id, { state: 'imported', approvals: [{ user: actor, at: clock.now().toISOString() }], generation: 3, receipt: DIGEST })
      },
      reject: (id, reason) => Promise.resolve(change(id, { state: 'rejected', reason })),
      resume: (id, request) => operation('import.resume', `import:${importOf(id).id}`, request),
      receipt: id => ({ receipt: JSON.stringify({ sequence: importOf(id).sequence }), signature: '-----BEGIN PGP SIGNATURE-----\n' }),
    },
    operations: {
      get: id => operations.get(id),
      list: () => [...new Set(operations.values())],
      cancel(id) {
        const found = operations.get(id)
        if (found !== undefined) found.state = 'cancelled'
      },
    },
    nodes: { get: name => NODES.find(node => node.name === name), list: name => NODES.filter(node => name === undefined || node.pool === name) },
    console: name => Promise.resolve(`${name} booted\u001b[31m\n`),
    images: { list: () => Promise.resolve([IMAGE]), get: digest => Promise.resolve(digest === IMAGE.digest ? IMAGE : undefined) },
    sbom: () => Promise.resolve(['{', '}\n']),
    dismissals,
    rescans: {
      list: () => [{ ...RESCAN, id: [...operations.values()].find(({ kind }) => kind === 'rescan')?.id ?? RESCAN.id }],
      findings: () => [{ ...FOUND, dismissal: dismissals.list()[0] ?? null }],
      start: (request, options) => Promise.resolve({ ...operation('rescan', 'store', request), goesOnFrom: options?.anew === true ? null : { rescan: 'rescan-0', at: RESCAN.at, done: 4000, total: 12001 }, whyAnew: null }),
    },
    scanners: () => Promise.resolve([{ name: 'clamav', state: 'ready', version: '1.4.6', definitions: { version: '20261118.0712', built: '2026-11-18T07:12:00Z', ageDays: 3 }, maxAgeDays: 14 }]),
    catalogue: {
      current: () => ({ generation: 2, items: kind => (kind === 'pypi' ? [NUMPY] : []), find: () => [] }),
      at: () => ({ generation: 2, items: () => [], find: () => [] }),
      generations: () => [{ generation: 2, at: '2026-11-18T10:00:00.000Z', operation: 'op', counts: { pypi: 1 }, current: true }],
    } as Services['catalogue'],
    connections: {
      hypervisors: () => Promise.resolve([{ name: 'local', kind: 'qemu', options: {}, reachable: true, says: 'QEMU 7.2', acceleration: 'tcg', cpus: 2, memoryMiB: 4096, diskFreeMiB: 1000, notes: [] }]),
      addHypervisor: () => Promise.resolve(),
      cis: () => Promise.resolve([{ name: 'sim', kind: 'sim', url: 'http://127.0.0.1:1', reachable: false, says: 'does not answer' }]),
      addCi: () => Promise.resolve(),
    },
    trust: () => TRUST,
    readiness: () => ({ ready: true, waits: [] }),
    metrics: new Registry(),
    consoleFolder: join(folder, 'dist'),
  }
  const app = build(services, { https: pki.server })
  await app.listen({ host: '127.0.0.1', port: 0 })
  return {
    services, identity, pki, app, operations, imports, pools, uploads,
    url: `https://127.0.0.1:${(app.server.address() as AddressInfo).port}`,
    tokenOf: async role => (await identity.newToken({ user: role, label: 'test', role, hours: 1 })).credential,
    async close() {
      await app.close()
      await audit.close()
      await store.close()
      database.close()
    },
  }
}

async function firstState(): Promise<Desired> {
  const { user } = await newUser('admin', 'admin', wallClock)
  // One hash for all of them: what it costs is tested elsewhere.
  const { hashPassword } = await import('../../../appliance/identity/password.ts')
  const password = await hashPassword(PASSWORD)
  const people = (['viewer', 'operator', 'approver', 'admin'] as const).map(role => [role, { ...user, name: role, role, password, mustChangePassword: false }])
  return {
    siteId: 'site-a', trust: TRUST, policy: { approvals: 1, separate: true }, tokens: {}, connections: { hypervisors: {}, ci: {} }, pools: {},
    users: Object.fromEntries([...people, ['fresh', { ...user, name: 'fresh', role: 'operator', password }]]) as Desired['users'],
  }
}

function pool(): PoolView {
  return {
    name: 'linux-perf-ci', head: 11, target: 11, lastHealthy: 11, paused: null, state: 'healthy', specDigest: DIGEST, image: DIGEST,
    document: {
      apiVersion: 'drydock/v1', kind: 'Pool', metadata: { name: 'linux-perf-ci' },
      spec: { os: 'linux', size: 2, base: 'debian-12', roles: ['python-3.11', 'numpy-1.25.2'], nodeName: 'lin', hardware: { cpus: 1, memory: '1GiB' }, ci: { connection: 'sim', labels: ['linux'] }, hypervisors: ['local'] },
    },
    counts: { size: 2, ready: 2, new: 2, old: 0, draining: 0 }, waits: [{ node: 'lin-1', on: 'job fw-perf#4411' }], operation: null,
  }
}

function revision(number: number, author: string, message: string): Revision {
  return { revision: number, parent: null, author, message, at: '2026-11-18T10:00:00.000Z', change: '', spec: pool().document.spec }
}

export function waitingImport(): ImportRecord {
  return {
    id: '7', operation: 'op-7', state: 'awaiting-approval', source: 'site-a-0007.v1-of-1.drydock', submittedBy: 'operator', at: '2026-11-18T10:00:00.000Z', updatedAt: '2026-11-18T10:00:00.000Z', sequence: 7,
    preflight: {
      bundle: 'site-a-0007', manifest: DIGEST, site: 'site-a', stream: 'site-a', epoch: 0, sequence: 7, lastSequence: 6, created: '2026-11-18T09:00:00Z', volumes: 1, size: 2040109466, role: 'release', threshold: 2,
      signers: [{ fingerprint: `9F3C${'0'.repeat(34)}A1`, name: 'Ana Ruiz', keyCreated: '2026-01-01T00:00:00Z' }, { fingerprint: `77D0${'0'.repeat(34)}0C`, name: 'Jon Berg', keyCreated: '2026-01-01T00:00:00Z' }],
      adds: [{ kind: 'npm', count: 212 }, { kind: 'pypi', count: 14 }, { kind: 'deb', count: 37 }, { kind: 'oci', count: 2 }, { kind: 'file', count: 1 }],
      changes: [{ kind: 'pypi', name: 'numpy', from: '1.25.2', to: '1.26.4' }],
      newBytes: 2040109466, presentBytes: 3328599654, findings: [{ severity: 'note', code: 'install-script', item: 'npm:esbuild@0.21.5', text: 'esbuild 0.21.5 runs a script when it is installed', claimed: true }],
      affects: ['linux-perf-ci can move to numpy-1.26.4'], freeBytes: 65498251264, seconds: 40,
    },
    approvals: [], approvalsNeeded: 1, missing: [], generation: null, receipt: null, error: null, reason: null,
  }
}

const DEFINITIONS = { version: '20261118.0712', built: '2026-11-18T07:12:00Z', ageDays: 3 }

const RESCAN: RescanView = {
  id: 'rescan-1', by: 'drydock:rescan', at: '2026-11-18T11:00:00.000Z', endedAt: '2026-11-18T11:05:00.000Z', generation: 2, since: 0, scanners: [{ name: 'clamav', version: '1.4.6', definitions: DEFINITIONS }],
  scans: [{ scanner: 'clamav', version: '1.4.6', definitions: DEFINITIONS, files: 12003, seconds: 290, findings: 1 }], blobs: { done: 12001, total: 12001 }, findings: [], more: 0, state: 'succeeded', error: null,
}

export const FOUND_ID = alarmId({ scanner: 'clamav', what: 'Evil.Miner', digest: DIGEST })
const FOUND: StandingFinding = {
  scanner: 'clamav', severity: 'blocker', code: 'scanner-found', what: 'Evil.Miner', text: 'clamav found Evil.Miner in left-pad 1.3.0 (left-pad-1.3.0.tgz)', items: ['npm:left-pad@1.3.0'], digest: DIGEST, imports: ['7'], rescan: 'rescan-1', at: RESCAN.at, dismissal: null, id: FOUND_ID,
  broughtBy: [{ import: '7', stream: 'site-a', sequence: 7 }], withdrawn: null, unpublish: null, recall: `drydock recall new --id found-1 --digest ${DIGEST} --reason 'clamav found Evil.Miner' --out found-1.yaml`,
}

const NODES: NodeRecord[] = ['lin-1', 'lin-2'].map((name, index) => ({
  name, pool: 'linux-perf-ci', revision: 11, fence: 1, hypervisor: 'local', image: DIGEST, phase: 'healthy', phaseSince: 1_795_000_000_000, createdAt: 1_795_000_000_000, firstHeartbeatAt: 1_795_000_003_900,
  heartbeat: { bootId: '11111111-1111-4111-8111-111111111111', seq: 3, layers: ['b'.repeat(64)], jobs: [], measurementDigest: DIGEST, at: 1_795_000_010_000 },
  measurement: { verify: [], packages: ['bash 5.2', ...(index === 0 ? ['vim 9'] : [])], environment: {}, kernel: '6.1', parameters: '', mounts: [], cpuModel: 'qemu64', cpuFlags: [] },
  idleSince: null, waitsFor: null, failure: null, ciAgentId: null,
}))

const IMAGE: ImageManifest = {
  format: 'drydock-image/1', digest: DIGEST, size: 1024, specDigest: DIGEST,
  lock: { format: 'drydock-lock/1', baker: 1, os: 'linux', arch: 'amd64', base: { name: 'debian', version: '12', pack: DIGEST, sourceDateEpoch: 1, debs: [], kernel: { name: 'linux', version: '6.1', architecture: 'amd64', digest: DIGEST, size: 1 }, verify: [] }, roles: [], agent: DIGEST },
  layers: [{ name: 'base', digest: DIGEST, size: 512, verityRoot: 'b'.repeat(64), dataBlocks: 1, offset: 0 }],
  kernel: { file: 'vmlinuz', digest: DIGEST }, initrd: { file: 'initrd', digest: DIGEST }, commandLine: 'quiet', packages: [{ name: 'bash', version: '5.2', architecture: 'amd64' }],
}

const NUMPY: Item = { kind: 'pypi', name: 'numpy', version: '1.26.4', metadata: {}, blobs: [{ name: 'numpy.whl', digest: DIGEST, size: 9 }], source: 'pkg:pypi/numpy@1.26.4' }

const TRUST: Trust = {
  version: 1,
  keys: [{ fingerprint: 'A'.repeat(40), keySha256: DIGEST, publicKey: 'key', name: 'Ana Ruiz' }],
  roles: { root: { threshold: 1, keys: ['A'.repeat(40)] }, release: { threshold: 1, keys: ['A'.repeat(40)] }, recall: { threshold: 1, keys: ['A'.repeat(40)] } },
}
