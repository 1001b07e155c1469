import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { asDrydockError, DrydockError } from '../core/error.ts'
import { ERRORS } from '../core/errors/table.ts'
import type { Services } from './services.ts'
import { auditFailure } from './authorise.ts'

/** Fastify's own complaints about a request, in our words. */
const REQUEST_FAULTS: Record<string, [found: string, hint: string]> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['a content type that this address does not take', 'send application/json (or application/octet-stream for a bundle)'],
  FST_ERR_CTP_EMPTY_JSON_BODY: ['an empty body', 'send a JSON document, or leave content-type out'],
  FST_ERR_CTP_INVALID_JSON_BODY: ['a body that is no JSON', 'send one JSON document'],
  FST_ERR_CTP_BODY_TOO_LARGE: ['a body larger than 1 MiB', 'send less; bundles go as application/octet-stream'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['a body of another length than it said', 'send it again'],
}

/** Any failure as ErrorBody with the table's status. The cause goes to the log, never to the caller. */
export function answerFailure(services: Services, failure: FastifyError | DrydockError | Error, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const error = inOurWords(failure)
  const status = ERRORS[error.code].http
  auditFailure(services, request, error)
  if (status >= 500) services.log.error({ code: error.code, method: request.method, url: request.routeOptions.url ?? request.url, cause: String(error.cause instanceof Error ? error.cause.stack : error.message) }, 'a request failed')
  if (error.code === 'DD-IDENT-002') reply.header('retry-after', /\d+/.exec(error.hint)?.[0] ?? '60')
  return reply.code(status).type('application/json; charset=utf-8').send(error.toJSON())
}

function inOurWords(failure: FastifyError | DrydockError | Error): DrydockError {
  if (failure instanceof DrydockError) return failure
  const known = 'code' in failure ? REQUEST_FAULTS[failure.code] : undefined
  if (known !== undefined) return new DrydockError('DD-CLI-011', `expected a request that can be read, found ${known[0]}`, known[1], { cause: failure })
  if ('statusCode' in failure && typeof failure.statusCode === 'number' && failure.statusCode < 500) {
    return new DrydockError('DD-CLI-011', 'expected a request that can be read, found something else', 'compare it with /openapi.json', { cause: failure })
  }
  return asDrydockError(failure)
}
