import { setTimeout as pause } from 'node:timers/promises'
import type { Clock } from '../core/clock.ts'
import { asDrydockError } from '../core/error.ts'
import type { Log } from '../core/log.ts'
import type { CiConnector } from '../model/ci-connector.ts'
import type { NodeRegistry } from '../model/node.ts'
import type { JobHistory } from '../state/job-history.ts'

/** Between two questions to a CI server, and how far back each looks: a job that ran longer is seen when it changes. Milliseconds. */
const EVERY_MS = 10_000
const LOOK_BACK_MS = 60 * 60 * 1000
const ANSWER_MS = 10_000

export type FollowJobsDeps = { history: JobHistory; ci: ReadonlyMap<string, CiConnector>; nodes: Pick<NodeRegistry, 'get'>; clock: Clock; log: Log; every?: number }

/** Copies what CI servers say of jobs into history, with the image and revision of the node. A server that does not answer is asked again later. */
export function followJobs(deps: FollowJobsDeps): { stop(): Promise<void> } {
  const { history, ci, nodes, clock, log } = deps
  const stopping = new AbortController()
  const askedAt = new Map<string, number>()

  async function ask(connector: CiConnector): Promise<void> {
    const now = clock.now().getTime()
    const since = Math.max(0, (askedAt.get(connector.name) ?? history.newest(connector.name)) - LOOK_BACK_MS)
    const jobs = await connector.jobs(since, AbortSignal.any([stopping.signal, AbortSignal.timeout(ANSWER_MS)]))
    if (stopping.signal.aborted) return
    for (const job of jobs) {
      const node = nodes.get(job.node)
      history.put({ ...job, connection: connector.name, image: node?.image ?? null, revision: node?.revision ?? null })
    }
    askedAt.set(connector.name, now)
  }

  async function loop(): Promise<void> {
    while (!stopping.signal.aborted) {
      for (const connector of ci.values()) {
        await ask(connector).catch((failure: unknown) => {
          if (!stopping.signal.aborted) log.debug({ ci: connector.name, code: asDrydockError(failure).code }, 'jobs could not be read')
        })
      }
      await pause(deps.every ?? EVERY_MS, undefined, { signal: stopping.signal }).catch(() => undefined)
    }
  }

  const running = loop()
  return {
    async stop() {
      stopping.abort()
      await running
    },
  }
}
