import Type from 'typebox'
import { DigestText } from '../../bundles/format/item.ts'
import type { Measurement } from './image.ts'

/**
 * A node's life, as its record in SQLite tells it:
 *
 *   planned → booting → enrolled → healthy → draining → drained → removing → (record kept as `gone`)
 *                 └────────┴──────────┴→ failed → removing
 *
 * planned   the name is taken, the VM may or may not exist yet
 * booting   the hypervisor has it; no accepted heartbeat yet
 * enrolled  it heartbeats with this image's layers; the CI does not yet show it online
 * healthy   layers, verify commands and CI all agree
 * draining  quiesced at the CI; jobs may still run
 * drained   both idle proofs held over the quiet window
 * removing  out of the CI, VM being destroyed
 */
export const NODE_PHASES = ['planned', 'booting', 'enrolled', 'healthy', 'draining', 'drained', 'removing', 'failed', 'gone'] as const
export type NodePhase = (typeof NODE_PHASES)[number]

/** What the agent sends every HEARTBEAT_SECONDS (appliance/agent/protocol.md). */
export const Heartbeat = Type.Object(
  {
    bootId: Type.String({ pattern: '^[0-9a-f-]{36}$' }),
    seq: Type.Integer({ minimum: 0 }),
    /** Verity root hashes that are active in its kernel, lowest layer first, hex. */
    layers: Type.Array(Type.String({ pattern: '^[0-9a-f]{64}$' }), { maxItems: 128 }),
    /** Jobs whose processes it sees; empty means idle, as the node sees it. */
    jobs: Type.Array(Type.String({ maxLength: 256 }), { maxItems: 64 }),
    measurementDigest: DigestText,
    uptimeSeconds: Type.Optional(Type.Number()),
  },
  { additionalProperties: false },
)
export type Heartbeat = Type.Static<typeof Heartbeat>

/** Times are milliseconds since 1970. */
export type NodeRecord = {
  name: string
  pool: string
  revision: number
  fence: number
  hypervisor: string
  image: string
  phase: NodePhase
  phaseSince: number
  createdAt: number
  /** When the first heartbeat of this VM was accepted: with `createdAt` it tells the boot time. */
  firstHeartbeatAt?: number
  /** The last accepted heartbeat and when it came. */
  heartbeat: (Heartbeat & { at: number }) | null
  measurement: Measurement | null
  /** When the node has been seen idle without a break since; null while a job runs or nothing is known. */
  idleSince: number | null
  /** What it waits for, in words, as the last plan said. */
  waitsFor: string | null
  failure: string | null
  /** When `failure` was found; it stays while the node goes its way out. */
  failedAt?: number
  ciAgentId: string | null
}

/** Node records, in SQLite. Numbers are never used again, not even after a crash. */
export interface NodeRegistry {
  /** Takes the next numbers of a prefix: `lin-151`. The first is 1; durable before it returns. */
  allocate(prefix: string, count: number): string[]
  get(name: string): NodeRecord | undefined
  /** Without `gone` ones unless asked for. */
  list(pool?: string, options?: { gone?: boolean }): NodeRecord[]
  put(node: NodeRecord): void
}
