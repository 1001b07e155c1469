import type { FastifyInstance } from 'fastify'
import { ciEnrolments } from '../../api/agent/ci-enrolments.ts'
import { agentDesk } from '../../api/agent/desk.ts'
import { enrolmentTokens } from '../../state/enrolment-tokens.ts'
import { buildAgentServer } from '../../api/agent/routes.ts'
import type { Clock } from '../../core/clock.ts'
import type { Log } from '../../core/log.ts'
import type { Pki } from '../../identity/pki.ts'
import type { AgentDesk } from '../../model/agent.ts'
import type { CiConnector, CiEnrolment } from '../../model/ci-connector.ts'
import type { DesiredStore } from '../../model/desired.ts'
import type { NodeRecord, NodeRegistry } from '../../model/node.ts'
import type { HistoryDatabase } from '../../state/history.ts'
import type { Config } from './config.ts'
import { GUEST_SEES, guestHosts } from './guest-network.ts'

export type AgentsDeps = {
  database: HistoryDatabase
  registry: NodeRegistry
  desired: DesiredStore
  ci: ReadonlyMap<string, CiConnector>
  pki: Pki
  config: Config
  clock: Clock
  log: Log
  layersOf(image: string): readonly string[] | null
  /** A guest said something that reconcile would act on. */
  changed(node: NodeRecord): void
}

export type Agents = {
  desk: AgentDesk
  /** The registry; a node that is gone takes its token and its CI enrolment with it. */
  nodes: NodeRegistry
  /** What reconcile was given by the CI server. */
  enrolments: Map<string, CiEnrolment>
  nodeJson(node: { name: string; pool: string }): Promise<string>
  /** The server of port 8444, not yet listening. */
  server(): Promise<FastifyInstance>
}

/** Everything between the appliance and its guests. */
export function openAgents(deps: AgentsDeps): Agents {
  const { registry, desired, pki, config, clock, log } = deps
  const tokens = enrolmentTokens(deps.database, clock)
  const enrolments = new Map<string, CiEnrolment>()
  const atCi = ciEnrolments(serverOf, log)

  function serverOf(node: NodeRecord): { connector: CiConnector; labels: string[] } | null {
    const spec = desired.read().pools[node.pool]?.revisions.find(each => each.revision === node.revision)?.spec
    const connector = spec === undefined ? undefined : deps.ci.get(spec.ci.connection)
    return spec === undefined || connector === undefined ? null : { connector, labels: spec.ci.labels }
  }

  const nodes: NodeRegistry = {
    ...registry,
    put(node) {
      registry.put(node)
      if (node.phase !== 'gone') return
      tokens.forget(node.name)
      enrolments.delete(node.name)
      atCi.forget(node.name)
    },
  }
  const desk = agentDesk({
    nodes,
    tokens,
    clock,
    log,
    layersOf: image => deps.layersOf(image),
    async ciEnrolment(node) {
      const given = enrolments.get(node.name)
      if (given !== undefined) atCi.remember(node.name, given)
      return await atCi.of(node)
    },
    changed: node => deps.changed(node),
  })
  const url = new URL(config.publicUrl)
  url.port = String(config.agentListen.port)
  return {
    desk,
    nodes,
    enrolments,
    async nodeJson({ name, pool }) {
      const hosts = guestHosts(Object.values(desired.read().connections.ci).map(each => each.url))
      return JSON.stringify({ name, pool, appliance: { url: url.origin, address: GUEST_SEES.appliance }, ca: pki.caPem, token: tokens.issue(name), ...(Object.keys(hosts).length === 0 ? {} : { hosts }) })
    },
    server: async () => await buildAgentServer({ desk, ca: pki, clock, log, tls: pki.server }),
  }
}
