import type Type from 'typebox'
import { checkShape } from '../../../bundles/format/check.ts'
import { DrydockError } from '../../core/error.ts'
import type { CiConnector, CiEnrolment, CiJob, CiNodeStatus } from '../../model/ci-connector.ts'
import { EnrolledAgent, SimAgents, SimJobs, SimVersion } from './wire.ts'

/** How long one call may take, milliseconds. */
const CALL_MILLISECONDS = 10_000
/** Both idle proofs must hold this long, milliseconds, unless the connection says otherwise. */
const QUIET_WINDOW_MILLISECONDS = 5_000

export type SimCiConnection = {
  name: string
  /** As the appliance reaches it. */
  url: string
  /** As guests reach it; default `url`. */
  nodeUrl?: string
  token: string
  /** Milliseconds. */
  quietWindow?: number
}

export function simConnector(connection: SimCiConnection): CiConnector {
  const base = connection.url.replace(/\/$/, '')
  const call = async <S extends Type.TSchema>(method: string, path: string, signal: AbortSignal, options: { answer?: S; body?: object } = {}): Promise<Type.Static<S> | null> => {
    if (signal.aborted) throw givenUp()
    const response = await fetch(`${base}${path}`, {
      method,
      headers: { authorization: `Bearer ${connection.token}`, ...(options.body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(CALL_MILLISECONDS)]),
      redirect: 'error',
    }).catch((failure: unknown) => {
      throw signal.aborted ? givenUp(failure) : new DrydockError('DD-CI-001', `expected the CI server ${connection.name} to answer at ${base}, found no answer`, 'see that it runs and can be reached from here', { cause: failure })
    })
    const text = await response.text().catch(() => '')
    if (response.status === 401) throw new DrydockError('DD-CI-002', `expected ${connection.name} to take our token, found it refused`, 'give the connection the token of the CI server')
    if (response.status === 404) throw new DrydockError('DD-CI-003', `expected ${path.split('/')[2] ?? path} at ${connection.name}, found none`, 'it is enrolled again when its pool is reconciled')
    if (!response.ok) throw unexpected(connection.name, `status ${response.status}`)
    if (options.answer === undefined) return null
    try {
      return checkShape(options.answer, JSON.parse(text), `answer of ${connection.name}`)
    } catch (failure) {
      throw unexpected(connection.name, 'a body of another shape', failure)
    }
  }

  return {
    name: connection.name,
    kind: 'sim',
    quietWindow: connection.quietWindow ?? QUIET_WINDOW_MILLISECONDS,

    async check(signal) {
      const found = await call('GET', '/', signal, { answer: SimVersion })
      return { version: found!.version }
    },

    async enrol(node, signal): Promise<CiEnrolment> {
      const agent = (await call('POST', '/agents', signal, { body: { node: node.name, labels: node.labels }, answer: EnrolledAgent }))!
      return { kind: 'sim', agentId: agent.id, url: (connection.nodeUrl ?? base).replace(/\/$/, ''), secret: agent.secret, labels: agent.labels }
    },

    async status(signal): Promise<CiNodeStatus[]> {
      const agents = (await call('GET', '/agents', signal, { answer: SimAgents }))!
      return agents.map(({ node, id, online, quiesced, jobs }) => ({ node, agentId: id, online, quiesced, jobs }))
    },

    async quiesce(node, signal) {
      await call('PUT', `/agents/${encodeURIComponent(node)}/quiesced`, signal, { body: { quiesced: true } })
    },

    async resume(node, signal) {
      await call('PUT', `/agents/${encodeURIComponent(node)}/quiesced`, signal, { body: { quiesced: false } })
    },

    async remove(node, signal) {
      await call('DELETE', `/agents/${encodeURIComponent(node)}`, signal)
    },

    async jobs(since, signal): Promise<CiJob[]> {
      const jobs = (await call('GET', `/jobs?since=${since}`, signal, { answer: SimJobs }))!
      return jobs.map(({ id, node, name, queuedAt, startedAt, finishedAt, status, output }) => ({ id, node, name, queuedAt, startedAt, finishedAt, status, output }))
    },
  }
}

function givenUp(cause?: unknown): DrydockError {
  return new DrydockError('DD-CORE-007', 'expected the CI server’s answer, found the call cancelled', 'the next attempt goes on from here', { cause })
}

function unexpected(name: string, found: string, cause?: unknown): DrydockError {
  return new DrydockError('DD-CI-004', `expected ${name} to answer as the sim CI server does, found ${found}`, 'see that the URL is that of a sim CI server', { cause })
}
