import { digestOf, type Digest } from '../../../appliance/core/digest.ts'
import { silentLog } from '../../../appliance/core/log.ts'
import type { CiConnector, CiEnrolment } from '../../../appliance/model/ci-connector.ts'
import type { NewEvent } from '../../../appliance/model/event.ts'
import type { Hypervisor, ObservedVm } from '../../../appliance/model/hypervisor.ts'
import type { ImageManifest } from '../../../appliance/model/image.ts'
import type { NodeRecord, NodeRegistry } from '../../../appliance/model/node.ts'
import type { PoolRecord, PoolSpec } from '../../../appliance/model/pool.ts'
import type { ReconcilerDeps } from '../../../appliance/execute/ports.ts'

/**
 * A world in memory with its own clock: hypervisors whose guests boot, heartbeat and run jobs, a CI server that hands out jobs and may lie,
 * a registry and the half of the pools that takes verdicts. It counts what must never happen: a busy guest or a foreign machine destroyed.
 */
export const OURS = 'appliance-a'
const HEARTBEAT_MS = 10_000
const LOST_AGENT_MS = 120_000

export type GuestKind = 'good' | 'wrong-layers' | 'failing-verify' | 'silent'
type Job = { name: string; until: number }
type Guest = { kind: GuestKind; bootedAt: number; seq: number; nextHeartbeat: number; want: 'run' | 'quiesce'; enrolled: boolean; arriving: (Job & { at: number }) | null; job: Job | null; hung: boolean }
type Machine = { vm: ObservedVm; guest: Guest }
type Agent = { agentId: string; quiesced: boolean; polledAt: number; job: string | null; idleAt: number }

export type World = ReturnType<typeof createWorld>

export function createWorld(options: { racks?: string[]; memoryMiB?: number; random?: () => number; bootMs?: number; registry?: NodeRegistry } = {}) {
  const random = options.random ?? (() => 0.5)
  let now = Date.UTC(2026, 10, 20, 9, 42, 0)
  const clock = { now: () => new Date(now) }
  const racks = new Map<string, { machines: Map<string, Machine>; reachable: boolean }>((options.racks ?? ['rack-a']).map(name => [name, { machines: new Map(), reachable: true }]))
  const agents = new Map<string, Agent>()
  const images = new Map<Digest, { manifest: ImageManifest; kind: GuestKind }>()
  const enrolments = new Map<string, CiEnrolment>()
  const events: NewEvent[] = []
  const registry = options.registry ?? memoryRegistry()
  const pools = new Map<string, PoolRecord>()
  const faults = { ci: false, falseIdle: false, lateIdleMs: 0, jobsPerMinute: 0, jobMs: 60_000 }
  const sins = { killedWhileBusy: [] as string[], foreignTouched: [] as string[] }
  let jobs = 0

  function hypervisor(name: string): Hypervisor {
    const rack = racks.get(name)!
    const reached = (): void => {
      if (!rack.reachable) throw new Error(`${name} does not answer`)
    }
    return {
      name,
      async capabilities() {
        reached()
        return { kind: 'test', version: '1', acceleration: 'none', cpus: 64, memoryMiB: options.memoryMiB ?? 1_000_000, diskFreeMiB: 1_000_000, notes: [] }
      },
      async ensureImage() {
        reached()
      },
      async create(vm) {
        reached()
        const there = rack.machines.get(vm.name)
        if (there !== undefined && JSON.stringify(there.vm.ownership) !== JSON.stringify(vm.ownership)) throw new Error(`${vm.name} is another machine`)
        if (there !== undefined) return
        const { nodeJson: _, hardware: __, ...rest } = vm
        const kind = images.get(vm.image)?.kind ?? 'good'
        const bootedAt = now + (options.bootMs ?? 20_000) + Math.floor(random() * 5000)
        rack.machines.set(vm.name, {
          vm: { ...rest, state: 'running', startedAt: now, intentDigest: digestOf(vm.name), handle: `${name}/${vm.name}` },
          guest: { kind, bootedAt, seq: 0, nextHeartbeat: bootedAt, want: 'run', enrolled: false, arriving: null, job: null, hung: false },
        })
      },
      async list() {
        reached()
        return [...rack.machines.values()].map(machine => machine.vm).filter(vm => vm.ownership.applianceId === OURS)
      },
      async destroy(vmName, ownership) {
        reached()
        const machine = rack.machines.get(vmName)
        if (machine === undefined) return
        if (JSON.stringify(machine.vm.ownership) !== JSON.stringify(ownership)) throw new Error('not yours')
        if (ownership.applianceId !== OURS) sins.foreignTouched.push(vmName)
        if (machine.vm.state === 'running' && !machine.guest.hung && (machine.guest.job !== null || machine.guest.arriving !== null)) sins.killedWhileBusy.push(vmName)
        rack.machines.delete(vmName)
      },
      async console() {
        return ''
      },
      async close() {},
    }
  }

  const ci: CiConnector = {
    name: 'jenkins',
    kind: 'test',
    quietWindow: 5000,
    async check() {
      return { version: '1' }
    },
    async enrol(node) {
      answers()
      const agent = agents.get(node.name) ?? { agentId: `JNK-${node.name}`, quiesced: false, polledAt: -Infinity, job: null, idleAt: -Infinity }
      agents.set(node.name, agent)
      return { kind: 'test', agentId: agent.agentId, url: 'http://ci', secret: 's', labels: node.labels }
    },
    async status() {
      answers()
      return [...agents].map(([node, agent]) => ({ node, agentId: agent.agentId, online: now - agent.polledAt <= 30_000, quiesced: agent.quiesced, jobs: shownJobs(agent) }))
    },
    async quiesce(node) {
      answers()
      const agent = agents.get(node)
      if (agent === undefined) throw new Error(`no agent ${node}`)
      agent.quiesced = true
    },
    async resume(node) {
      answers()
      const agent = agents.get(node)
      if (agent === undefined) throw new Error(`no agent ${node}`)
      agent.quiesced = false
    },
    async remove(node) {
      answers()
      agents.delete(node)
    },
    async jobs() {
      return []
    },
  }

  function answers(): void {
    if (faults.ci) throw new Error('the CI server does not answer')
  }

  function shownJobs(agent: Agent): string[] {
    if (faults.falseIdle) return []
    if (agent.job !== null) return [agent.job]
    return now - agent.idleAt < faults.lateIdleMs ? ['late#0'] : []
  }

  function heartbeat(name: string, guest: Guest): void {
    guest.nextHeartbeat = now + HEARTBEAT_MS
    const record = registry.get(name)
    if (record === undefined || record.phase === 'gone') return
    const manifest = images.get(record.image as Digest)?.manifest
    const layers = manifest?.layers.map(layer => layer.verityRoot) ?? []
    const jobs = guest.job === null ? [] : [guest.job.name]
    const passed = guest.kind !== 'failing-verify'
    registry.put({
      ...record,
      heartbeat: { bootId: '0'.repeat(36), seq: guest.seq++, layers: guest.kind === 'wrong-layers' ? ['f'.repeat(64)] : layers, jobs, measurementDigest: digestOf('m'), at: now },
      measurement: { verify: [{ role: 'numpy-1.26.0', run: 'numpy', expect: '1.26.0', found: passed ? '1.26.0' : '1.25.2', passed }], packages: [], environment: {}, kernel: '', parameters: '', mounts: [], cpuModel: '', cpuFlags: [] },
    })
    guest.want = record.phase === 'draining' || record.phase === 'drained' || record.phase === 'removing' || record.phase === 'failed' ? 'quiesce' : 'run'
    // As the agents' port does: after a restart the enrolment is asked for again.
    guest.enrolled ||= record.ciAgentId !== null && agents.has(name)
  }

  /** A guest lives one tick: takes jobs that it was given, ends them, says so, polls the CI server. */
  function live(name: string, { vm, guest }: Machine): void {
    if (vm.state !== 'running' || guest.hung || guest.kind === 'silent' || now < guest.bootedAt) return
    const agent = agents.get(name)
    if (guest.job !== null && guest.job.until <= now) {
      guest.job = null
      if (agent !== undefined) {
        agent.job = null
        agent.idleAt = now
      }
      guest.nextHeartbeat = now
    }
    if (guest.arriving !== null && guest.arriving.at <= now) {
      guest.job = { name: guest.arriving.name, until: guest.arriving.until }
      guest.arriving = null
      guest.nextHeartbeat = now
    }
    if (guest.enrolled && agent !== undefined && !faults.ci) {
      agent.polledAt = now
      if (agent.job === null && !agent.quiesced && guest.want === 'run' && random() < faults.jobsPerMinute / 60) {
        jobs += 1
        agent.job = `fw-perf#${jobs}`
        guest.arriving = { name: agent.job, at: now + Math.floor(random() * 3000), until: now + 3000 + Math.floor(random() * faults.jobMs) }
      }
    }
    if (guest.nextHeartbeat <= now) heartbeat(name, guest)
  }

  /** Moves the clock on by whole seconds. */
  function tick(milliseconds: number): void {
    for (let left = milliseconds; left > 0; left -= 1000) {
      now += Math.min(1000, left)
      // As CI servers do, a job whose agent is lost is given up after a while.
      for (const agent of agents.values()) if (agent.job !== null && now - agent.polledAt > LOST_AGENT_MS && !faults.ci) agent.job = null
      for (const rack of racks.values()) for (const [name, machine] of rack.machines) live(name, machine)
    }
  }

  function bake(content: string, kind: GuestKind = 'good'): Digest {
    const digest = digestOf(content)
    const layer = { name: 'base', digest, size: 1, verityRoot: digest.slice(7), dataBlocks: 1, offset: 0 }
    const verify = [{ run: 'numpy', expect: '1.26.0' }]
    const base = { name: 'debian', version: '12', pack: digest, sourceDateEpoch: 0, debs: [], kernel: { name: 'k', version: '1', architecture: 'amd64', digest, size: 1 }, verify }
    const lock: ImageManifest['lock'] = { format: 'drydock-lock/1', baker: 1, os: 'linux', arch: 'amd64', base, roles: [], agent: digest }
    const manifest: ImageManifest = { format: 'drydock-image/1', digest, size: 1, specDigest: digest, lock, layers: [layer], kernel: { file: 'vmlinuz', digest }, initrd: { file: 'initrd', digest }, commandLine: '', packages: [] }
    images.set(digest, { manifest, kind })
    return digest
  }

  /** As `pool apply` does: a new revision with its image becomes the target. */
  function apply(name: string, image: Digest, change: Partial<PoolSpec> = {}): PoolRecord {
    const before = pools.get(name)
    const last = before?.revisions.at(-1)
    const spec: PoolSpec = { ...(last?.spec ?? specFor(name, [...racks.keys()])), ...change }
    const revision = (before?.head ?? 0) + 1
    const target = before?.revisions.find(each => each.revision === before.target)
    if (target?.outcome === 'rolling-out') target.outcome = 'superseded'
    const sameNodes = target !== undefined && target.image === image && target.outcome !== 'failed' && Object.keys(change).every(key => key === 'size' || key === 'rollout')
    const pool: PoolRecord = {
      ...(before ?? { name, paused: null, lastHealthy: null }),
      revisions: [...(before?.revisions ?? []), { revision, parent: before?.head ?? null, author: 'ana', message: '', at: clock.now().toISOString(), change: '', spec, specDigest: image, image, outcome: 'rolling-out' }],
      head: revision,
      target: revision,
      fence: (before?.fence ?? 0) + (sameNodes ? 0 : 1),
      paused: before?.paused?.by === 'drydock' ? null : (before?.paused ?? null),
    }
    pools.set(name, pool)
    return pool
  }

  const verdicts: ReconcilerDeps['verdicts'] = {
    async declareHealthy(name, number, nodes) {
      const pool = pools.get(name)!
      const revision = pool.revisions.find(each => each.revision === number)!
      if (pool.target !== number || revision.outcome !== 'rolling-out') return
      revision.outcome = 'healthy'
      pool.lastHealthy = number
      events.push({ type: 'pool.healthy', subject: `pool:${name}`, fields: { pool: name, nodes } })
    },
    async failRollout(name, number, reason, rollbackTo) {
      const pool = pools.get(name)!
      const revision = pool.revisions.find(each => each.revision === number)!
      if (pool.target !== number || revision.outcome !== 'rolling-out') return
      revision.outcome = 'failed'
      events.push({ type: 'pool.failed', subject: `pool:${name}`, fields: { pool: name, revision: number, reason } })
      if (rollbackTo === null) pool.paused = { by: 'drydock', reason, at: '' }
      else {
        const old = pool.revisions.find(each => each.revision === rollbackTo)!
        apply(name, old.image as Digest, old.spec)
        events.push({ type: 'pool.rollback', subject: `pool:${name}`, fields: { pool: name, to: rollbackTo } })
      }
    },
    declareEmpty(name) {
      pools.delete(name)
    },
  }

  const deps: ReconcilerDeps = {
    applianceId: OURS,
    pools: () => [...pools.values()],
    image: async digest => ({ manifest: images.get(digest)!.manifest, folder: '/nowhere' }),
    hypervisors: new Map([...racks.keys()].map(name => [name, hypervisor(name)])),
    ci: new Map([['jenkins', ci]]),
    nodes: registry,
    enrolments,
    nodeJson: async node => JSON.stringify(node),
    events: {
      emit(event) {
        events.push(event)
        return { ...event, seq: events.length, at: clock.now().toISOString(), operation: null, actor: 'drydock' }
      },
    },
    verdicts,
    journal: { step: async (_name, effect) => await effect() },
    clock,
    log: silentLog,
  }

  return {
    deps, clock, racks, agents, pools, events, faults, sins, registry, images, tick, bake, apply,
    machine: (name: string) => [...racks.values()].map(rack => rack.machines.get(name)).find(found => found !== undefined),
    machines: () => [...racks.values()].flatMap(rack => [...rack.machines.values()]),
    plant(rack: string, name: string, ownership: ObservedVm['ownership'], image: Digest) {
      const vm: ObservedVm = { name, ownership, image, state: 'running', startedAt: now, intentDigest: digestOf(name), handle: name }
      racks.get(rack)!.machines.set(name, { vm, guest: { kind: 'silent', bootedAt: now, seq: 0, nextHeartbeat: Infinity, want: 'run', enrolled: false, arriving: null, job: null, hung: false } })
    },
    /** Gives a node a job, as the CI server would. */
    runJob(name: string, job: string, milliseconds: number) {
      const machine = [...racks.values()].map(rack => rack.machines.get(name)).find(found => found !== undefined)!
      machine.guest.job = { name: job, until: now + milliseconds }
      agents.get(name)!.job = job
      heartbeat(name, machine.guest)
    },
  }
}

function specFor(name: string, racks: string[]): PoolSpec {
  return {
    os: 'linux', size: 2, base: 'debian-12', roles: [], nodeName: 'lin', hardware: { cpus: 1, memory: '1GiB' }, ci: { connection: 'jenkins', labels: [name] }, hypervisors: racks,
    rollout: { maxSurge: 1, maxUnavailable: 0, canary: 1, soak: '30s', bootTimeout: '2m', drainTimeout: '10m' },
  }
}

function memoryRegistry(): NodeRegistry {
  const nodes = new Map<string, NodeRecord>()
  const next = new Map<string, number>()
  return {
    allocate(prefix, count) {
      const first = next.get(prefix) ?? 1
      next.set(prefix, first + count)
      return Array.from({ length: count }, (_, index) => `${prefix}-${first + index}`)
    },
    get: name => nodes.get(name),
    list: (pool, options) => [...nodes.values()].filter(node => (pool === undefined || node.pool === pool) && (options?.gone === true || node.phase !== 'gone')),
    put: node => void nodes.set(node.name, node),
  }
}
