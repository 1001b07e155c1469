import type { IncomingMessage, ServerResponse } from 'node:http'
import { callbackify } from 'node:util'
import { addressOf } from '../../admission.ts'
import { attachmentFault } from '../../attachment.ts'
import type { NpmAuthentication, NpmIdentity } from '../../authentication.ts'
import { credentialsOf, loginOf, logoutOf } from '../../credentials.ts'
import { pathOf } from '../../names.ts'

/** What verdaccio hands over of our own configuration: `auth: { drydock: … }` in private-registry.ts. */
type PluginConfig = { authentication: NpmAuthentication; loaded: () => void }

type RemoteUser = { name: string | undefined; groups: string[]; real_groups: string[] }
type Helpers = { createAnonymousRemoteUser(): RemoteUser; createRemoteUser(name: string, groups: string[]): RemoteUser }
type Request = IncomingMessage & { remote_user: RemoteUser; body?: unknown }
type Response = ServerResponse & { locals: { remote_user?: RemoteUser } }

/**
 * verdaccio's whole view of identity: it keeps no users, no passwords and no tokens of its own. Who may publish is decided by groups in
 * the `packages` section; who somebody is, by the appliance.
 */
export default class DrydockAuth {
  readonly #authentication: NpmAuthentication

  constructor(config: PluginConfig) {
    this.#authentication = config.authentication
    config.loaded()
  }

  authenticate(user: string, password: string, done: (failure: Error | null, groups: string[] | false) => void): void {
    callbackify(async () => {
      const identity = await this.#authentication.authenticate({ user, password }, 'npm')
      return identity === null ? (false as const) : [...identity.groups]
    })(done)
  }

  apiJWTmiddleware(helpers: Helpers): (request: Request, response: Response, next: (failure?: unknown) => void) => void {
    return (request, response, next) => {
      const setUser = (identity: NpmIdentity | null): void => {
        request.remote_user = identity === null ? helpers.createAnonymousRemoteUser() : helpers.createRemoteUser(identity.name, [...identity.groups])
        response.locals.remote_user = request.remote_user
      }
      callbackify(() => this.#answer(request, setUser))((failure, answer) => {
        if (failure !== null || answer === undefined) return next(failure ?? undefined)
        response.statusCode = answer.status
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify(answer.body))
      })
    }
  }

  /** Logins and logouts are answered here, because the token is the appliance's; so are credentials that are wrong. Everything else goes on. */
  async #answer(request: Request, setUser: (identity: NpmIdentity | null) => void): Promise<{ status: number; body: object } | undefined> {
    const login = loginOf(request.method ?? '', request.url ?? '', request.body)
    if (login !== undefined) {
      const token = await this.#authentication.login(login.user, login.password, addressOf(request))
      return token === null ? { status: 401, body: { error: 'expected a user and password that the appliance knows' } } : { status: 201, body: { ok: `you are authenticated as '${login.user}'`, token } }
    }
    const logout = logoutOf(request.method ?? '', request.url ?? '')
    if (logout !== undefined) {
      await this.#authentication.logout(logout)
      return { status: 200, body: { ok: 'logged out' } }
    }
    const credentials = credentialsOf(request.headers.authorization)
    const identity = credentials === undefined ? null : await this.#authentication.authenticate(credentials, addressOf(request))
    if (credentials !== undefined && identity === null) return { status: 401, body: { error: 'expected a token that the appliance knows; log in again' } }
    const fault = attachmentFault(request.method ?? '', pathOf(request.url ?? ''), request.body)
    if (fault !== undefined) return { status: 400, body: { error: fault } }
    setUser(identity)
    return undefined
  }
}
