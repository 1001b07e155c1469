import type { FastifyInstance, FastifyRequest } from 'fastify'
import { asDrydockError, DrydockError } from '../core/error.ts'
import { MAY, type Principal } from '../model/identity.ts'
import { credentialOf } from './cookie.ts'
import type { Route } from './route.ts'
import type { Services } from './services.ts'

/** What the hooks found out about a request. */
export type Caller = { principal: Principal; credential: string; audited: { actor: string; action: string; subject: string } | null }

declare module 'fastify' {
  interface FastifyContextConfig {
    row?: Route
  }
  interface FastifyRequest {
    caller: Caller | null
  }
}

const NOBODY: Principal = { user: '', mayDo: 'viewer', mustChangePassword: false, expiresAt: new Date(0), by: 'session' }
const SAFE = ['GET', 'HEAD', 'OPTIONS']

/**
 * The one place where it is decided who may do what. Before the body is read: who is it, may they, does it come from the console. A route
 * without a row cannot be registered here, so none can be forgotten.
 */
export function authorise(app: FastifyInstance, { identity, audit }: Services): void {
  app.decorateRequest('caller', null)
  app.addHook('onRoute', route => {
    if (route.config?.row === undefined) throw new DrydockError('DD-CORE-001', `expected a row of the route table for ${String(route.method)} ${route.url}, found none`, 'register it through the table in appliance/api/routes')
  })

  app.addHook('onRequest', async request => {
    const { row } = request.routeOptions.config
    if (row === undefined) return
    const sent = credentialOf(request)
    if (row.needs === 'anyone') {
      if (!SAFE.includes(request.method)) checkOrigin(request, false)
      request.caller = { principal: NOBODY, credential: '', audited: null }
      return
    }
    const principal = sent === undefined ? undefined : identity.authenticate(sent.credential)
    if (sent === undefined || principal === undefined) {
      throw new DrydockError('DD-IDENT-003', `expected somebody who is signed in, found ${sent === undefined ? 'no session or token' : 'a session or token that has ended'}`, 'sign in: drydock login https://HOST:8443')
    }
    if (sent.cookie && !SAFE.includes(request.method)) checkOrigin(request, true)
    if (principal.mustChangePassword && row.needs !== 'session') {
      throw new DrydockError('DD-IDENT-005', 'expected a password of one\'s own, found the one-time password still in use', 'change it first: drydock user password')
    }
    if (row.needs !== 'session' && !MAY[principal.mayDo].includes(row.needs)) {
      const about = { actor: principal.user, action: actionOf(request), subject: request.url.slice(0, 256) }
      if (!SAFE.includes(request.method)) audit.record({ ...about, outcome: 'refused', fields: { role: principal.mayDo, needs: row.needs } })
      throw new DrydockError('DD-IDENT-004', `expected the role ${row.needs}, found ${principal.mayDo}`, `ask somebody with the role ${row.needs} to do it, or an admin to give you that role`)
    }
    request.caller = { principal, credential: sent.credential, audited: null }
  })
}

/** Audit comes first: called right before a handler, it throws when the record cannot be written, and then the handler does not run. */
export function auditFirst({ audit }: Services, request: FastifyRequest, caller: Caller, about: { subject: string; fields?: Record<string, string | number | boolean> }): void {
  const record = { actor: caller.principal.user, action: actionOf(request), subject: about.subject }
  audit.record({ ...record, outcome: 'allowed', fields: about.fields ?? {} })
  caller.audited = record
}

/** What was allowed and then failed is said too, as far as the log can be written. */
export function auditFailure({ audit, log }: Services, request: FastifyRequest, failure: unknown): void {
  const audited = request.caller?.audited
  if (audited === undefined || audited === null) return
  try {
    audit.record({ ...audited, outcome: 'failed', fields: { code: asDrydockError(failure).code } })
  } catch (second) {
    log.error({ code: asDrydockError(second).code }, 'the failure of an audited action could not be recorded')
  }
}

const actionOf = (request: FastifyRequest) => `${request.method} ${request.routeOptions.url ?? '?'}`

/**
 * Browsers say where a request comes from (Fetch standard: Sec-Fetch-Site, and Origin on every POST), and SameSite=Strict keeps the cookie
 * at home. A program sends neither; it may sign in, but it does not ride on a cookie.
 */
function checkOrigin(request: FastifyRequest, required: boolean): void {
  const site = request.headers['sec-fetch-site']
  const { origin, host } = request.headers
  const fromConsole = site !== undefined ? site === 'same-origin' : origin !== undefined ? hostOf(origin) === host : !required
  if (!fromConsole) throw new DrydockError('DD-IDENT-012', `expected the request to come from the console at this address, found ${String(site ?? origin ?? 'no origin')}`, 'use the console at the appliance\'s own address; programs use a token (Authorization: Bearer …)')
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined
}
