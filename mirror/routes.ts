import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { asDrydockError } from '../appliance/core/error.ts'
import { ERRORS } from '../appliance/core/errors/table.ts'
import { silentLog, type Log } from '../appliance/core/log.ts'
import type { PrivateRegistry } from './npm/private-registry.ts'
import type { MirrorFormat } from './store/format.ts'
import type { Store } from './store/open.ts'
import { senderOf } from './store/serve.ts'
import { NOTHING_WITHDRAWN, recallText, type Withdrawn } from './store/withdrawn.ts'

export type MirrorRoutesDeps = { store: Pick<Store, 'blobs' | 'catalogue' | 'formats'>; log?: Log; privateNpm?: PrivateRegistry; withdrawn?: Pick<Withdrawn, 'byDigest'> }

/** Answers are looked up, never joined to a folder, so a path can lead nowhere but to what a generation holds. */
const CONTROL = /\p{Cc}/u
const READS = ['GET', 'HEAD'] as const
const WRITES = ['POST', 'PUT', 'PATCH', 'DELETE'] as const

/** Every mirror under its prefix, and each kept generation under /g/<n>/ (OCI: /v2/g/<n>/). Register it without a prefix of its own. */
export function mirrorRoutes(deps: MirrorRoutesDeps): FastifyPluginAsync {
  const { catalogue, blobs, formats } = deps.store
  const log = deps.log ?? silentLog
  const send = senderOf(blobs)
  const withdrawn = deps.withdrawn ?? NOTHING_WITHDRAWN

  const refuse = (format: MirrorFormat, reply: FastifyReply, status: number, what: string): FastifyReply => {
    const { body, mediaType, headers } = format.refusal(status, what)
    return reply.code(status).headers({ 'x-content-type-options': 'nosniff', 'content-type': mediaType, ...headers }).send(body)
  }

  const answer = (format: MirrorFormat, request: FastifyRequest, reply: FastifyReply, before: string, after: string): FastifyReply | Promise<FastifyReply> => {
    const asked = placeOf(format, before, after, catalogue.current().generation)
    if (asked === undefined) return refuse(format, reply, 400, 'the address is not well formed')
    if (!catalogue.has(asked.generation)) return refuse(format, reply, 404, `generation ${asked.generation}`)
    const found = format.find({ path: asked.path, accept: request.headers.accept ?? '' })
    if ('redirect' in found) return reply.redirect(`${asked.base}/${found.redirect}`, 301)
    if ('body' in found) return reply.headers({ 'content-type': found.mediaType, 'x-content-type-options': 'nosniff', ...found.headers }).send(found.body)
    const entry = catalogue.lookup(asked.generation, format.kind, found.path)
    // The one place that every byte of a bundle passes on its way to a client, whatever its kind and generation; indexes of ours stay.
    const recall = entry === undefined || entry.ours ? undefined : withdrawn.byDigest(entry.digest)
    if (recall !== undefined) return refuse(format, reply.header('cache-control', 'no-store'), ERRORS['DD-MIRROR-007'].http, `${asked.path} was ${recallText(recall)}`)
    if (entry !== undefined) return send(request, reply, entry, found.headers)
    if (found.otherwise === undefined) return refuse(format, reply, 404, asked.path)
    return reply.header('content-type', found.otherwise.mediaType).send(found.otherwise.body)
  }

  return async app => {
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', (_request, _payload, done) => done(null))

    for (const format of formats) {
      await app.register(async app => {
        app.setErrorHandler((failure, request, reply) => {
          const error = asDrydockError(failure)
          log.error({ url: request.url, code: error.code, cause: failure }, 'a mirror could not answer')
          return refuse(format, reply, ERRORS[error.code].http, error.message)
        })
        for (const prefix of [`/${format.prefix}`, `/g/:generation/${format.prefix}`]) {
          const old = prefix.startsWith('/g/')
          for (const url of [prefix, `${prefix}/*`]) {
            app.route({
              method: [...READS],
              url,
              exposeHeadRoute: false,
              handler(request, reply) {
                const cut = request.url.indexOf(`/${format.prefix}`, old ? 2 : 0)
                const after = request.url.slice(cut + format.prefix.length + 1)
                if (!old && format.kind === 'npm' && deps.privateNpm?.handles('GET', after) === true) return deps.privateNpm.answer(request, reply, after)
                return answer(format, request, reply, request.url.slice(0, cut), after)
              },
            })
            app.route({
              method: [...WRITES],
              url,
              handler(request, reply) {
                const after = request.url.slice(prefix.length)
                if (!old && format.kind === 'npm' && deps.privateNpm?.handles(request.method, after) === true) return deps.privateNpm.answer(request, reply, after)
                return refuse(format, reply.header('allow', READS.join(', ')), 405, `${request.method} is not possible here: a generation does not change`)
              },
            })
          }
        }
      })
    }
  }
}

/** Generation, path inside the mirror and the base that redirects stand on. `before` and `after` are what stands around the prefix, still encoded. */
function placeOf(format: MirrorFormat, before: string, after: string, current: number): { generation: number; path: string; base: string } | undefined {
  const query = after.indexOf('?')
  const path = decoded(after.slice(after.startsWith('/') ? 1 : 0, query < 0 ? after.length : query))
  if (path === undefined || CONTROL.test(path)) return undefined
  const inPath = format.prefix === 'v2' ? /^g\/(\d{1,15})\/(.*)$/.exec(path) : null
  if (inPath !== null) return { generation: Number(inPath[1]), path: inPath[2] ?? '', base: `/v2/g/${inPath[1]}` }
  if (before === '') return { generation: current, path, base: `/${format.prefix}` }
  const inPrefix = /^\/g\/(\d{1,15})$/.exec(before)
  if (inPrefix === null) return undefined
  return { generation: Number(inPrefix[1]), path, base: `${before}/${format.prefix}` }
}

function decoded(text: string): string | undefined {
  try {
    return text.includes('%') ? decodeURIComponent(text) : text
  } catch {
    return undefined
  }
}
