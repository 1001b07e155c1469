import { fastifySwagger } from '@fastify/swagger'
import fastify, { type FastifyInstance } from 'fastify'
import type Type from 'typebox'
import { checkShape } from '../../bundles/format/check.ts'
import { DrydockError } from '../core/error.ts'
import { uuidv7 } from '../core/ids.ts'
import { NAMED } from './answers.ts'
import { auditFirst, authorise } from './authorise.ts'
import { SECURITY_HEADERS, serveConsole } from './console.ts'
import { endStreams } from './event-stream.ts'
import { answerFailure } from './failure.ts'
import { measure } from './metrics.ts'
import { takePipelinedRequests } from './pipelined.ts'
import type { Route } from './route.ts'
import { connectionRoutes } from './routes/connections.ts'
import { contentRoutes } from './routes/content.ts'
import { historyRoutes } from './routes/history.ts'
import { importRoutes } from './routes/imports.ts'
import { mediaRoutes } from './routes/media.ts'
import { nodeRoutes } from './routes/nodes.ts'
import { operationRoutes } from './routes/operations.ts'
import { peopleRoutes } from './routes/people.ts'
import { poolRoutes } from './routes/pools.ts'
import { scannerRoutes } from './routes/scanners.ts'
import { sessionRoutes } from './routes/session.ts'
import { standingRoutes } from './routes/standing.ts'
import type { Services } from './services.ts'

/** Bytes of a JSON body; a pool document is a few KiB. */
const JSON_BYTES = 1024 * 1024
const KEY = /^[\x21-\x7e]{1,200}$/

export type BuildOptions = {
  /** PEM. Without it the server speaks plain HTTP, which only tests and the OpenAPI generator want. */
  https?: { key: string; cert: string }
}

/** Every row of the API. Tests walk it, and the OpenAPI document is made of it. */
export function routeTable(services: Services): Route[] {
  return [
    ...sessionRoutes(services), ...importRoutes(services), ...mediaRoutes(services), ...scannerRoutes(services), ...operationRoutes(services), ...poolRoutes(services), ...nodeRoutes(services),
    ...contentRoutes(services), ...connectionRoutes(services), ...peopleRoutes(services), ...historyRoutes(services), ...standingRoutes(services),
  ]
}

/**
 * The appliance's server without `listen`: API, OpenAPI, health, metrics, CA and console. Mirrors and whatever else shares the port are
 * registered on it by main before it listens.
 */
export function build(services: Services, options: BuildOptions = {}): FastifyInstance {
  const app = fastify({ https: options.https ?? null, logger: false, bodyLimit: JSON_BYTES, forceCloseConnections: true }) as unknown as FastifyInstance
  takePipelinedRequests(app.server)
  app.addHook('preClose', async () => endStreams(services))
  app.setErrorHandler((failure: Error, request, reply) => answerFailure(services, failure, request, reply))
  serveConsole(app, services)
  void app.register(fastifySwagger, {
    // Mirrors share the server, not the document.
    hideUntagged: true,
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Drydock', version: services.version, description: 'The API of a Drydock appliance. Sign in for a cookie, or send a token: Authorization: Bearer …' },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' }, session: { type: 'apiKey', in: 'cookie', name: 'drydock' } } },
    },
    refResolver: { buildLocalReference: (json, _base, _fragment, index) => (typeof json['$id'] === 'string' ? json['$id'] : `def-${index}`) },
  })
  for (const [name, schema] of Object.entries(NAMED)) app.addSchema({ $id: name, ...schema })
  void app.register(async api => registerRoutes(api, services), { prefix: '/api/v1' })
  void app.register(async root => publicRoutes(root, services))
  return app
}

function registerRoutes(api: FastifyInstance, services: Services): void {
  authorise(api, services)
  measure(api, services)
  api.addHook('onSend', async (_request, reply) => {
    reply.headers({ ...SECURITY_HEADERS, 'cache-control': reply.getHeader('cache-control') ?? 'no-store' })
  })
  // Shapes are checked by our own function, so that the message is the same everywhere; answers are our own types already.
  api.setValidatorCompiler(({ schema, httpPart }) => (value: unknown) => {
    try {
      return { value: checkShape(schema as Type.TSchema, httpPart === 'querystring' ? withNumbers(schema as Type.TSchema, value) : value, PARTS[httpPart ?? ''] ?? 'request') }
    } catch (failure) {
      return { error: failure instanceof Error ? failure : new DrydockError('DD-CORE-001', 'expected a check of the request, found a fault', 'report this') }
    }
  })
  api.setSerializerCompiler(() => answer => JSON.stringify(answer))
  api.removeContentTypeParser('text/plain')
  api.addContentTypeParser('application/octet-stream', (request, payload, done) => {
    if (request.routeOptions.config.row?.bytes === true) done(null, payload)
    else done(new DrydockError('DD-CLI-011', 'expected a JSON document at this address, found bytes', 'send application/json'))
  })
  for (const row of routeTable(services)) registerRoute(api, services, row)
}

const PARTS: Record<string, string> = { body: 'request body', querystring: 'query', params: 'address' }

function registerRoute(api: FastifyInstance, services: Services, row: Route): void {
  const status = row.answer === undefined ? 204 : (row.status ?? 200)
  const content = row.answer === undefined ? {} : { content: { [row.contentType ?? 'application/json']: { schema: named(row.answer) } } }
  api.route({
    method: row.method,
    url: row.path,
    config: { row },
    schema: {
      summary: row.summary,
      operationId: operationId(row),
      tags: [row.path.split('/')[1] ?? ''],
      description: `Needs: ${row.needs}.`,
      security: row.needs === 'anyone' ? [] : [{ session: [] }, { token: [] }],
      ...(row.params === undefined ? {} : { params: row.params }),
      ...(row.query === undefined ? {} : { querystring: row.query }),
      ...(row.body === undefined ? {} : row.bytes === true ? { body: { content: { 'application/json': { schema: row.body }, 'application/octet-stream': { schema: {} } } } } : { body: row.body }),
      response: { [status]: { description: 'Done.', ...content }, default: { description: 'What was expected and found, and what to do.', content: { 'application/json': { schema: named(NAMED.Error) } } } },
    },
    async handler(request, reply) {
      const { caller } = request
      if (caller === null) throw new DrydockError('DD-IDENT-003', 'expected a checked caller, found none', 'sign in again')
      const sentKey = request.headers['idempotency-key']
      if (sentKey !== undefined && !KEY.test(String(sentKey))) throw new DrydockError('DD-CLI-011', 'expected an Idempotency-Key of 1 to 200 visible ASCII characters, found something else', 'send a UUID')
      const key = `${caller.principal.user}/${sentKey === undefined ? uuidv7(services.clock.now()) : String(sentKey)}`
      const ask = { params: request.params, query: request.query, body: request.body, principal: caller.principal, request: { actor: caller.principal.user, idempotencyKey: key }, http: { request, reply, credential: caller.credential } }
      if (row.audit !== undefined && row.audit !== 'itself') {
        const about = row.audit(ask)
        if (about !== null) auditFirst(services, request, caller, about)
      }
      const answer = await row.handle(ask)
      if (reply.sent || row.contentType === 'text/event-stream') return reply
      reply.code(status)
      if (row.answer === undefined) return reply.send()
      return row.contentType === undefined ? reply.type('application/json; charset=utf-8').send(JSON.stringify(answer)) : reply.type(row.contentType).send(answer)
    },
  })
}

function publicRoutes(root: FastifyInstance, services: Services): void {
  const hidden = { schema: { hide: true } }
  root.get('/openapi.json', hidden, () => root.swagger())
  root.get('/healthz', hidden, (_request, reply) => reply.type('text/plain; charset=utf-8').send('ok\n'))
  root.get('/readyz', hidden, (_request, reply) => {
    const readiness = services.readiness()
    return reply.code(readiness.ready ? 200 : 503).send(readiness)
  })
  root.get('/ca.pem', hidden, (_request, reply) => reply.type('application/x-pem-file').send(services.caPem))
  root.get('/appliance.asc', hidden, (_request, reply) => reply.type('application/pgp-keys').send(services.signingKey))
  root.get('/metrics', hidden, async (_request, reply) => reply.type(services.metrics.contentType).send(await services.metrics.metrics()))
}

/** `getPoolsNameHistory` */
function operationId(row: Route): string {
  const words = row.path.split(/[/:-]/).filter(Boolean)
  return row.method.toLowerCase() + words.map(word => word[0]!.toUpperCase() + word.slice(1)).join('')
}

const NAMES = new Map<unknown, string>(Object.entries(NAMED).map(([name, schema]) => [schema, name]))

/** A reference where the schema has a name, so that the document and the typed client have one type a thing. */
function named(schema: Type.TSchema): object {
  const name = NAMES.get(schema)
  if (name !== undefined) return { $ref: `${name}#` }
  const items = 'items' in schema ? NAMES.get(schema.items) : undefined
  return items === undefined ? schema : { type: 'array', items: { $ref: `${items}#` } }
}

/** A query is text; where the schema wants an integer, digits become one. */
function withNumbers(schema: Type.TSchema, query: unknown): unknown {
  const properties = ('properties' in schema ? schema.properties : {}) as Record<string, { type?: string }>
  return Object.fromEntries(Object.entries(query ?? {}).map(([name, value]) => [name, properties[name]?.type === 'integer' && /^\d{1,16}$/.test(String(value)) ? Number(value) : value]))
}
