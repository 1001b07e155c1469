import { TLSSocket } from 'node:tls'
import Fastify, { type FastifyInstance, type FastifyPluginAsync, type FastifyRequest } from 'fastify'
import { checkShape } from '../../../bundles/format/check.ts'
import type { Clock } from '../../core/clock.ts'
import { asDrydockError, DrydockError } from '../../core/error.ts'
import { ERRORS } from '../../core/errors/table.ts'
import type { Log } from '../../core/log.ts'
import { EnrolRequest, MeasurementReport, type AgentDesk, type EnrolAnswer, type HeartbeatAnswer } from '../../model/agent.ts'
import type { CertificateAuthority } from '../../model/certificate-authority.ts'
import { Heartbeat } from '../../model/node.ts'
import { callRate } from './call-rate.ts'

/** The most a guest may send at once, bytes. */
const BODY_BYTES = 1024 * 1024
/** A node's certificate lives longer than any node should; its record ends it earlier. */
const CERTIFICATE_MILLISECONDS = 365 * 24 * 60 * 60 * 1000
/** How often a guest heartbeats unless told otherwise, seconds. */
export const HEARTBEAT_SECONDS = 10

export type AgentRoutesDeps = { desk: AgentDesk; ca: CertificateAuthority; clock: Clock; log: Log; heartbeatSeconds?: number }

/**
 * The routes of port 8444. The name of a node is what its certificate says, never what its body says; without a certificate of our CA
 * `enrol` is answered and nothing else, not even what is not there.
 */
export function agentRoutes(deps: AgentRoutesDeps): FastifyPluginAsync {
  const { desk, ca, clock, log } = deps
  const count = callRate()
  const routes: FastifyPluginAsync = async app => {
    app.addHook('onRequest', async request => {
      if (request.routeOptions.url !== '/agent/enrol') count(nodeOf(request))
    })

    app.setErrorHandler((failure, request, reply) => {
      const stated = failure instanceof Error && 'statusCode' in failure ? Number(failure.statusCode) : null
      const error = asDrydockError(failure)
      const status = stated ?? ERRORS[error.code].http
      if (status >= 500) log.error({ url: request.url, failure: failure instanceof Error ? String(failure.stack) : String(failure) }, 'agent request failed')
      return reply.code(status).send(error.toJSON())
    })

    app.post('/agent/enrol', async (request): Promise<EnrolAnswer> => {
      const asked = checkShape(EnrolRequest, request.body, 'enrol')
      desk.admit(asked)
      const certificate = await ca.signNode(asked.csr, asked.node, new Date(clock.now().getTime() + CERTIFICATE_MILLISECONDS))
      return { certificate, heartbeatSeconds: deps.heartbeatSeconds ?? HEARTBEAT_SECONDS }
    })

    app.post('/agent/heartbeat', async (request): Promise<HeartbeatAnswer> => await desk.heartbeat(nodeOf(request), checkShape(Heartbeat, request.body, 'heartbeat')))

    app.post('/agent/measurement', async (request, reply) => {
      desk.measured(nodeOf(request), checkShape(MeasurementReport, request.body, 'measurement'))
      return await reply.code(204).send()
    })
  }
  // Without a scope of its own (as fastify-plugin does it): the hook must also stand before what is not there.
  return Object.assign(routes, { [Symbol.for('skip-override')]: true })
}

/** The server of port 8444, not yet listening. */
export async function buildAgentServer(deps: AgentRoutesDeps & { tls: { key: string; cert: string } }): Promise<FastifyInstance> {
  const app = Fastify({
    bodyLimit: BODY_BYTES,
    forceCloseConnections: true,
    requestTimeout: 30_000,
    https: { ...deps.tls, ca: deps.ca.caPem, requestCert: true, rejectUnauthorized: false, minVersion: 'TLSv1.2' },
  })
  await app.register(agentRoutes(deps))
  return app as unknown as FastifyInstance
}

/** @throws DD-AGENT-002 unless the connection carries a valid client certificate of our CA. */
function nodeOf(request: FastifyRequest): string {
  const socket = request.raw.socket
  if (socket instanceof TLSSocket && socket.authorized) {
    const name: unknown = socket.getPeerCertificate().subject?.CN
    if (typeof name === 'string' && name !== '') return name
  }
  throw new DrydockError('DD-AGENT-002', 'expected a client certificate of this appliance, found none that is valid', 'enrol first, with the token of the config drive')
}
