import type { Log } from '../../core/log.ts'
import type { CiConnector, CiEnrolment } from '../../model/ci-connector.ts'
import type { NodeRecord } from '../../model/node.ts'

/** How long the CI server may take while a guest waits for the answer to its heartbeat, milliseconds. */
const ASK_MILLISECONDS = 5_000

export type CiEnrolments = {
  /** What the reconcile loop has just been given; saves asking for it. */
  remember(node: string, enrolment: CiEnrolment): void
  of(node: NodeRecord): Promise<CiEnrolment | null>
  forget(node: string): void
}

/**
 * Enrolments at CI servers, in memory: their secrets are not stored here. After a restart they are asked for again, which
 * `enrol` allows (idempotent by node name), but only for nodes that are to take jobs: an agent of a node on its way out, once removed, must not come back.
 */
export function ciEnrolments(serverOf: (node: NodeRecord) => { connector: CiConnector; labels: string[] } | null, log: Log): CiEnrolments {
  const known = new Map<string, CiEnrolment>()
  const asking = new Map<string, Promise<CiEnrolment | null>>()
  const ask = async (node: NodeRecord): Promise<CiEnrolment | null> => {
    const server = serverOf(node)
    if (server === null) return null
    try {
      const enrolment = await server.connector.enrol({ name: node.name, labels: server.labels }, AbortSignal.timeout(ASK_MILLISECONDS))
      known.set(node.name, enrolment)
      return enrolment
    } catch (failure) {
      log.warn({ node: node.name, ci: server.connector.name, failure: String(failure) }, 'enrolment at the CI server could not be read')
      return null
    }
  }
  return {
    remember(node, enrolment) {
      known.set(node, enrolment)
    },
    async of(node) {
      const found = known.get(node.name)
      if (node.ciAgentId === null) return null
      if (found?.agentId === node.ciAgentId) return found
      if (node.phase !== 'booting' && node.phase !== 'enrolled' && node.phase !== 'healthy') return null
      let asked = asking.get(node.name)
      if (asked === undefined) {
        asked = ask(node).finally(() => asking.delete(node.name))
        asking.set(node.name, asked)
      }
      return await asked
    },
    forget(node) {
      known.delete(node)
    },
  }
}
