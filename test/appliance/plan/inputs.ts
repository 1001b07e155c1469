import { digestOf } from '../../../appliance/core/digest.ts'
import type { CiNodeStatus } from '../../../appliance/model/ci-connector.ts'
import type { NodeRecord } from '../../../appliance/model/node.ts'
import type { Plan, PlanInput, Step } from '../../../appliance/model/plan.ts'

/** A pool of two ready nodes of revision 1 on one rack, at rest; tests change what they are about. */
export const NOW = Date.UTC(2026, 10, 20, 9, 42, 0)
export const IMAGE = digestOf('image')
const LAYERS = ['a'.repeat(64), 'b'.repeat(64)]

export function node(name: string, change: Partial<NodeRecord> = {}): NodeRecord {
  return {
    name, pool: 'linux-ci', revision: 1, fence: 1, hypervisor: 'rack-a', image: IMAGE, phase: 'healthy', phaseSince: NOW - 3_600_000, createdAt: NOW - 3_700_000,
    heartbeat: { bootId: '0'.repeat(36), seq: 9, layers: LAYERS, jobs: [], measurementDigest: digestOf('m'), at: NOW - 1000 },
    measurement: { verify: [{ role: 'numpy-1.26.0', run: '', expect: '1', found: '1', passed: true }], packages: [], environment: {}, kernel: '', parameters: '', mounts: [], cpuModel: '', cpuFlags: [] },
    idleSince: NOW - 60_000, waitsFor: null, failure: null, ciAgentId: `JNK-${name}`, ...change,
  }
}

export function agent(name: string, change: Partial<CiNodeStatus> = {}): CiNodeStatus {
  return { node: name, agentId: `JNK-${name}`, online: true, quiesced: false, jobs: [], ...change }
}

export function machine(name: string, change: Partial<PlanInput['vms'][number]> = {}): PlanInput['vms'][number] {
  return { name, ownership: { applianceId: 'appliance-a', pool: 'linux-ci', revision: 1, fence: 1 }, image: IMAGE, state: 'running', startedAt: NOW - 3_700_000, intentDigest: IMAGE, handle: name, hypervisor: 'rack-a', ...change }
}

export function target(change: Partial<NonNullable<PlanInput['target']>> = {}): NonNullable<PlanInput['target']> {
  return {
    revision: 1, fence: 1, specDigest: null, operation: null, image: IMAGE, layers: LAYERS, verifyCount: 1, alike: [], failed: false,
    spec: {
      os: 'linux', size: 2, base: 'debian-12', roles: [], nodeName: 'lin', hardware: { cpus: 2, memory: '2GiB' }, ci: { connection: 'jenkins', labels: ['linux'] }, hypervisors: ['rack-a'],
      rollout: { maxSurge: 1, maxUnavailable: 0, canary: 0, soak: '1m', bootTimeout: '10m', drainTimeout: '30m' },
    },
    ...change,
  }
}

export function input(change: Partial<PlanInput> = {}): PlanInput {
  return {
    now: NOW, applianceId: 'appliance-a', pool: 'linux-ci', fence: 1, paused: false, deleting: false, target: target(), lastHealthy: 1, failures: [], failuresSince: 0, watchingSince: NOW - 7_200_000,
    nodes: [node('lin-1'), node('lin-2')], vms: [machine('lin-1'), machine('lin-2')], ci: [agent('lin-1'), agent('lin-2')], quietWindow: 5000,
    hypervisors: [{ name: 'rack-a', reachable: true, freeMemoryMiB: 16_384 }], ...change,
  }
}

/** The same two nodes when revision 2, with another image, is wanted. */
export function replacing(change: Partial<PlanInput> = {}): PlanInput {
  return input({ target: target({ revision: 2, fence: 2 }), fence: 2, ...change })
}

export function planOf(steps: Step[], from: PlanInput): Plan {
  return { pool: from.pool, revision: from.target?.revision ?? null, target: from.target, steps, waits: [], counts: { ready: 0, new: 0, old: 0, draining: 0, size: 0 } }
}
