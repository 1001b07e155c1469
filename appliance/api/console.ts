import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { DrydockError } from '../core/error.ts'
import { readConsole, type ConsoleFile } from './console-files.ts'
import { answerFailure } from './failure.ts'
import type { Services } from './services.ts'

/** Nothing from anywhere else, no inline script or style, no frame around us. */
export const SECURITY_HEADERS = {
  'content-security-policy': "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), microphone=(), geolocation=()',
  'strict-transport-security': 'max-age=31536000',
} as const

/** Addresses that are never a page of the console, so a wrong one among them is told to the program that asked. */
const NOT_PAGES = /^\/(api|npm|pypi|apt|files|go|cargo|maven|nuget|v2|g|agent|assets|openapi\.json|metrics|healthz|readyz|ca\.pem|appliance\.asc)(\/|$)/

const NOT_BUILT = '<!doctype html><meta charset="utf-8"><title>Drydock</title><p>The appliance is up; the console is not built. Run <code>npm run build</code> in the checkout, then load this page again.</p>'

/** Whatever no other route took: the console's files, its pages (all of them are index.html), or a 404 that says so. */
export function serveConsole(app: FastifyInstance, services: Services): void {
  let files: Promise<Map<string, ConsoleFile> | undefined> | undefined
  app.setNotFoundHandler(async (request, reply) => {
    const path = request.url.split('?', 1)[0] ?? '/'
    if ((request.method !== 'GET' && request.method !== 'HEAD') || NOT_PAGES.test(path)) {
      if (!path.startsWith('/assets/')) return answerFailure(services, new DrydockError('DD-CLI-010', `expected an address that the appliance knows, found ${request.method} ${path.slice(0, 256)}`, '/openapi.json lists the API'), request, reply)
    }
    files ??= readConsole(services.consoleFolder)
    const built = await files
    // Not remembered: it may be built while the appliance runs.
    if (built === undefined) files = undefined
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) reply.header(name, value)
    if (built === undefined) return reply.code(503).type('text/html; charset=utf-8').send(NOT_BUILT)
    const file = built.get(path) ?? (/\.\w+$/.test(path) ? undefined : built.get('/index.html'))
    if (file === undefined) return reply.code(404).type('text/plain; charset=utf-8').send('not found\n')
    return sendFile(file, request, reply)
  })
}

function sendFile(file: ConsoleFile, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  reply.header('etag', file.etag).header('vary', 'accept-encoding').header('cache-control', file.immutable ? 'public, max-age=31536000, immutable' : 'no-cache')
  if (request.headers['if-none-match'] === file.etag) return reply.code(304).send()
  reply.type(file.type).code(200)
  if (file.zipped === null || !/\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''))) return reply.send(file.bytes)
  return reply.header('content-encoding', 'gzip').send(file.zipped)
}
