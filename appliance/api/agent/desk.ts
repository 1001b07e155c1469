import type { Clock } from '../../core/clock.ts'
import { DrydockError } from '../../core/error.ts'
import type { Log } from '../../core/log.ts'
import type { AgentDesk, EnrolmentTokens } from '../../model/agent.ts'
import type { CiEnrolment } from '../../model/ci-connector.ts'
import type { NodeRecord, NodeRegistry } from '../../model/node.ts'
import { measurementDigest, takeHeartbeat, WANT } from './heartbeat.ts'

/** A node that is on its way somewhere (booting, draining) is waited for by a rollout, so it is asked to come back after this many seconds. */
export const SOON_SECONDS = 2

export type AgentDeskDeps = {
  nodes: NodeRegistry
  tokens: EnrolmentTokens
  clock: Clock
  log: Log
  /** The verity roots of an image by its digest, lowest layer first; null when its manifest is not here. */
  layersOf(image: string): readonly string[] | null
  /** How the node's CI agent signs in; null while it is not enrolled at its CI server. */
  ciEnrolment(node: NodeRecord): Promise<CiEnrolment | null>
  /** Called when a guest said something that the planner would act on. */
  changed(node: NodeRecord): void
}

/** What guests are answered. Reads and writes a record with nothing awaited in between, so that it never undoes what reconcile wrote. */
export function agentDesk(deps: AgentDeskDeps): AgentDesk {
  const { nodes, tokens, clock, log } = deps
  return {
    admit({ token, node, csr }) {
      const record = nodes.get(node)
      if (record !== undefined && WANT[record.phase] !== 'stop' && tokens.redeem(token, node, csr)) {
        log.info({ node }, 'node enrolled')
        return
      }
      log.warn({ node, known: record !== undefined }, 'enrolment refused')
      throw new DrydockError('DD-AGENT-001', 'expected an unused token of this node, found another', 'nothing to do here: the node is replaced when its boot times out')
    },

    async heartbeat(node, heartbeat) {
      const before = nodes.get(node)
      if (before === undefined || before.phase === 'gone') return { want: 'stop' }
      const { record, verdict, rebooted, notable, measure } = takeHeartbeat(before, heartbeat, deps.layersOf(before.image), clock.now().getTime())
      if (record !== before) nodes.put(record)
      if (rebooted) log.warn({ node, bootId: heartbeat.bootId }, 'node booted again')
      if (verdict === 'wrong-image' && notable) log.warn({ node, image: record.image, layers: heartbeat.layers.join(',') }, 'node runs another image')
      if (notable) deps.changed(record)
      const want = WANT[record.phase]
      const ci = want === 'stop' || verdict === 'wrong-image' ? null : await deps.ciEnrolment(record)
      return { want, ...(ci === null ? {} : { ci }), ...(measure ? { measure: true } : {}), ...(record.phase === 'healthy' ? {} : { again: SOON_SECONDS }) }
    },

    measured(node, { bootId, digest, measurement }) {
      const found = measurementDigest(measurement)
      if (found !== digest) throw new DrydockError('DD-AGENT-003', `expected a measurement of ${digest}, found ${found}`, 'send it whole, with the digest of its canonical JSON')
      const record = nodes.get(node)
      // One that no heartbeat has announced (yet) is asked for again by the next answer.
      if (record?.heartbeat?.bootId !== bootId || record.heartbeat.measurementDigest !== digest || record.phase === 'gone') return
      const measured: NodeRecord = { ...record, measurement }
      nodes.put(measured)
      deps.changed(measured)
    },
  }
}
