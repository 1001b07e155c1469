import Type from 'typebox'
import { DigestText } from '../../bundles/format/item.ts'
import type { CiEnrolment } from './ci-connector.ts'
import { Measurement } from './image.ts'
import type { Heartbeat } from './node.ts'

/** What guest and appliance say to each other (appliance/agent/protocol.md). */
const strict = { additionalProperties: false } as const

const NodeName = Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,62}$' })

export const EnrolRequest = Type.Object({ token: Type.String({ minLength: 16, maxLength: 256 }), node: NodeName, csr: Type.String({ maxLength: 16_384 }) }, strict)
export type EnrolRequest = Type.Static<typeof EnrolRequest>

export type EnrolAnswer = { certificate: string; heartbeatSeconds: number }

export const MeasurementReport = Type.Object({ bootId: Type.String({ pattern: '^[0-9a-f-]{36}$' }), digest: DigestText, measurement: Measurement }, strict)
export type MeasurementReport = Type.Static<typeof MeasurementReport>

/** `run`: take jobs. `quiesce`: take no new one. `stop`: as quiesce, then power off when none runs. */
export type Want = 'run' | 'quiesce' | 'stop'

/** `again`: seconds until the next heartbeat, this once. */
export type HeartbeatAnswer = { want: Want; ci?: CiEnrolment; measure?: true; again?: number }

/** One-time enrolment tokens: only their SHA-256 is kept, each is bound to a node. */
export interface EnrolmentTokens {
  /** A new token for node.json; durable before it returns. Earlier ones of the node stay good until one of them is used. */
  issue(node: string): string
  /** Whether this token is the node's and unused, or was used with this very certificate request. Afterwards it is bound to the request, and the node's others are worth nothing. */
  redeem(token: string, node: string, csr: string): boolean
  /** When the node's record ends. */
  forget(node: string): void
}

/** The appliance as a guest sees it, apart from TLS and certificates: the agent routes call it, and so does a simulated guest. */
export interface AgentDesk {
  /** @throws DD-AGENT-001 */
  admit(request: EnrolRequest): void
  heartbeat(node: string, heartbeat: Heartbeat): Promise<HeartbeatAnswer>
  /** @throws DD-AGENT-003 when the digest is not that of the measurement. */
  measured(node: string, report: MeasurementReport): void
}
