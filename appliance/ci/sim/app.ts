import { timingSafeEqual } from 'node:crypto'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type Type from 'typebox'
import { checkShape } from '../../../bundles/format/check.ts'
import { asDrydockError, DrydockError } from '../../core/error.ts'
import { ERRORS } from '../../core/errors/table.ts'
import { Presence } from './presence.ts'
import type { SimCiStore, StoredAgent } from './store.ts'
import { Faults, JobResult, NewAgent, NewJob, Quiesced, type SimAgent } from './wire.ts'

/** A result of 1 MiB may be six times that as JSON, bytes. */
const BODY_BYTES = 8 * 1024 * 1024

export type SimCiOptions = { store: SimCiStore; token: string; pollMilliseconds: number; onlineMilliseconds: number; now: () => number }

/**
 * The sim CI server's routes. People and the appliance carry the admin token; an agent carries its own secret, and only reaches
 * what is its own.
 */
export function buildSimCi(options: SimCiOptions): FastifyInstance {
  const { store, token } = options
  const presence = new Presence(store, options.onlineMilliseconds, options.now)
  const app = Fastify({ bodyLimit: BODY_BYTES, forceCloseConnections: true })

  app.setErrorHandler((failure, _request, reply) => {
    const stated = failure instanceof Error && 'statusCode' in failure ? Number(failure.statusCode) : null
    const error = asDrydockError(failure)
    return reply.code(error.code === 'DD-CI-002' ? 401 : (stated ?? ERRORS[error.code].http)).send(error.toJSON())
  })
  app.addHook('preClose', async () => presence.releaseAll())

  const admin = async (request: FastifyRequest): Promise<void> => {
    if (!sameText(bearer(request), token)) throw new DrydockError('DD-CI-002', 'expected the admin token, found another or none', 'send Authorization: Bearer TOKEN')
  }
  const agentOf = (request: FastifyRequest): StoredAgent => {
    const agent = store.agents().find(candidate => sameText(bearer(request), candidate.secret))
    if (agent === undefined) throw new DrydockError('DD-CI-002', 'expected the secret of an agent, found another or none', 'enrol the node again')
    return agent
  }
  const named = (request: FastifyRequest): StoredAgent => {
    const { id } = request.params as { id: string }
    const agent = store.agent(id)
    if (agent === undefined) throw new DrydockError('DD-CI-003', `expected an agent ${JSON.stringify(id)}, found none`, 'see GET /agents')
    return agent
  }

  app.get('/', { onRequest: admin }, async () => ({ server: 'drydock-sim-ci', version: '1' }))

  app.post('/agents', { onRequest: admin }, async request => {
    const { node, labels } = body(NewAgent, request)
    const { id, secret } = store.enrol(node, labels)
    return { id, node, labels, secret }
  })

  app.get('/agents', { onRequest: admin }, async (): Promise<SimAgent[]> => {
    const { falseIdle, lateIdleMilliseconds } = store.faults
    const running = store.busy(0)
    const reported = falseIdle === true ? new Map<string, string[]>() : store.busy(lateIdleMilliseconds ?? 0)
    return store.agents().map(agent => ({
      id: agent.id,
      node: agent.node,
      labels: agent.labels,
      online: presence.online(agent, running.has(agent.node)),
      quiesced: agent.quiesced,
      jobs: reported.get(agent.node) ?? [],
    }))
  })

  app.put('/agents/:id/quiesced', { onRequest: admin }, async (request, reply) => {
    store.quiesce(named(request), body(Quiesced, request).quiesced)
    presence.dispatch()
    return await reply.code(204).send()
  })

  app.delete('/agents/:id', { onRequest: admin }, async (request, reply) => {
    const agent = store.agent((request.params as { id: string }).id)
    if (agent !== undefined) {
      store.remove(agent)
      presence.forget(agent)
    }
    return await reply.code(204).send()
  })

  app.post('/jobs', { onRequest: admin }, async (request, reply) => {
    const job = store.enqueue(body(NewJob, request))
    presence.dispatch()
    return await reply.code(201).send(job)
  })

  app.get('/jobs', { onRequest: admin }, async request => store.jobsSince(Number((request.query as { since?: string }).since ?? 0)))

  app.get('/jobs/:id', { onRequest: admin }, async request => {
    const { id } = request.params as { id: string }
    const job = store.job(id)
    if (job === undefined) throw new DrydockError('DD-CI-003', `expected a job ${JSON.stringify(id)}, found none`, 'see GET /jobs')
    return job
  })

  app.get('/faults', { onRequest: admin }, async () => store.faults)
  app.put('/faults', { onRequest: admin }, async request => (store.faults = body(Faults, request)))

  app.get('/agents/:id/next', async (request, reply) => {
    const agent = agentOf(request)
    if (agent.id !== (request.params as { id: string }).id) throw new DrydockError('DD-CI-002', 'expected the secret of this agent, found that of another', 'use the agent id of the same enrolment')
    if ((request.query as { peek?: string }).peek !== undefined) {
      presence.seen(agent)
      return await reply.code(204).send()
    }
    const gone = new AbortController()
    reply.raw.once('close', () => gone.abort())
    const job = await presence.next(agent, options.pollMilliseconds, gone.signal)
    if (job === null) return await reply.code(204).send()
    if (store.takeFault('lostJobAnswers')) return cut(request, reply)
    return { job: { id: job.id, name: job.name, command: job.command } }
  })

  app.post('/jobs/:id/result', async (request, reply) => {
    const agent = agentOf(request)
    const { id } = request.params as { id: string }
    const { status, output } = body(JobResult, request)
    presence.seen(agent)
    if (!store.finish(agent, id, status, output)) throw new DrydockError('DD-CI-003', `expected a job ${JSON.stringify(id)} of this agent, found none`, 'report results of jobs that were given to this agent')
    if (store.takeFault('lostResultAnswers')) return cut(request, reply)
    return await reply.code(204).send()
  })

  return app
}

function body<S extends Type.TSchema>(schema: S, request: FastifyRequest): Type.Static<S> {
  return checkShape(schema, request.body, 'request')
}

function bearer(request: FastifyRequest): string {
  return /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1] ?? ''
}

function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}

function cut(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  reply.hijack()
  request.raw.socket.destroy()
  return reply
}
