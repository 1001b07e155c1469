import type { RequestListener } from 'node:http'
import { join } from 'node:path'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { runServer } from 'verdaccio'
import { ensureFolder } from '../../appliance/core/durable-file.ts'
import { DrydockError } from '../../appliance/core/error.ts'
import { PUBLISHER_GROUPS, refusalOf } from './admission.ts'
import type { NpmAuthentication } from './authentication.ts'
import { pathOf, SITE_SCOPE } from './names.ts'
import { publishedFolder } from './published.ts'

/** The most that one publish may be; npm sends the tarball as base64 in JSON. */
const PUBLISH_LIMIT = '256mb'
const PLUGINS = join(import.meta.dirname, 'plugins')

/** verdaccio, inside this process, for what needs npm's own logic: publish, dist-tags, login, whoami and everything of @site/. */
export type PrivateRegistry = {
  /** @param after what stands behind `/npm`, still encoded */
  handles(method: string, after: string): boolean
  answer(request: FastifyRequest, reply: FastifyReply, after: string): Promise<FastifyReply>
}

/**
 * @param options.dataDir the data folder; packages lie in site/npm
 * @throws DD-MIRROR-006 when our plugin did not load: verdaccio would only log it and let anybody make an account
 */
export async function startPrivateRegistry(options: { dataDir: string; publicUrl: string; authentication: NpmAuthentication; plugins?: string }): Promise<PrivateRegistry> {
  const storage = publishedFolder(options.dataDir)
  await ensureFolder(storage)
  const publicUrl = new URL(options.publicUrl)
  let loaded = 0
  const server = await runServer(configuration(storage, options.plugins ?? PLUGINS, options.authentication, () => (loaded += 1))).catch((cause: unknown) => notLoaded(cause))
  if (loaded !== 1) notLoaded(undefined)
  const [listener] = server.listeners('request') as RequestListener[]
  if (listener === undefined) return notLoaded(undefined)

  return {
    handles(method, after) {
      const path = pathOf(after).slice(1)
      if (path.startsWith(SITE_SCOPE) || path.startsWith(`-/package/${SITE_SCOPE}`)) return true
      return path === '-/whoami' || path === '-/v1/search' || path.startsWith('-/user/') || (method !== 'GET' && path.startsWith(`-/npm/v1/`))
    },
    async answer(request, reply, after) {
      const refusal = await refusalOf(request.raw, pathOf(after).slice(1), options.authentication)
      // What still comes is thrown away by Node, not held: a client that is cut off while it sends would not read why.
      if (refusal !== undefined) return await reply.code(refusal.status).send({ error: refusal.error })
      void reply.hijack()
      request.raw.url = after
      // verdaccio makes addresses out of these: what a client claims must not get into a packument.
      for (const name of Object.keys(request.raw.headers)) if (name.startsWith('x-forwarded') || name === 'forwarded') delete request.raw.headers[name]
      request.raw.headers.host = publicUrl.host
      request.raw.headers['x-forwarded-proto'] = publicUrl.protocol.slice(0, -1)
      listener(request.raw, reply.raw as Parameters<RequestListener>[1])
      return reply
    },
  }
}

/** No uplinks, no web pages, no gravatars: it knows nothing but what was published to it. */
function configuration(storage: string, plugins: string, authentication: NpmAuthentication, loaded: () => void): Record<string, unknown> {
  const mayPublish = { publish: PUBLISHER_GROUPS, unpublish: PUBLISHER_GROUPS }
  return {
    storage,
    plugins,
    self_path: storage,
    configPath: join(storage, 'config.yaml'),
    url_prefix: '/npm/',
    uplinks: {},
    web: { enable: false, gravatar: false },
    auth: { drydock: { authentication, loaded } },
    packages: { [`${SITE_SCOPE}*`]: { access: ['$all'], ...mayPublish }, '**': { access: ['$all'], publish: [], unpublish: [] } },
    publish: { allow_offline: true },
    max_body_size: PUBLISH_LIMIT,
    log: { type: 'stdout', format: 'json', level: 'fatal' },
    user_agent: false,
  }
}

function notLoaded(cause: unknown): never {
  throw new DrydockError('DD-MIRROR-006', "expected verdaccio to start with Drydock's own plugin, found that it did not load", 'the installation is damaged or of mixed versions: install Drydock again', { cause })
}
