import Type from 'typebox'
import { DrydockError } from '../../core/error.ts'
import { MAY, TokenView, UserView } from '../../model/identity.ts'
import { ROLES } from '../../model/view.ts'
import { NewToken, NewUser, OneTimePassword } from '../answers.ts'
import { route, type Route } from '../route.ts'
import type { Services } from '../services.ts'

const strict = { additionalProperties: false } as const
const Name = Type.String({ pattern: '^[a-z0-9][a-z0-9.-]{0,62}$', description: 'a name of small letters, digits, dot and -' })
/** A token lives a year at most, an hour at least; a day when nothing is said. */
const Hours = Type.Integer({ minimum: 1, maximum: 24 * 366 })
const DEFAULT_HOURS = 24

export function peopleRoutes({ identity }: Services): Route[] {
  return [
    route({
      method: 'GET', path: '/users', needs: 'admin', summary: 'Everybody who may sign in.',
      answer: Type.Array(UserView),
      handle: () => identity.users(),
    }),
    route({
      method: 'POST', path: '/users', needs: 'admin', summary: 'Add a person. The one-time password is in the answer and nowhere else.',
      body: Type.Object({ name: Name, role: Type.Enum(ROLES) }, strict),
      answer: NewUser, status: 201,
      audit: ({ body }) => ({ subject: `user:${body.name}`, fields: { role: body.role } }),
      handle: ({ principal, body }) => identity.addUser(body, principal.user),
    }),
    route({
      method: 'DELETE', path: '/users/:name', needs: 'admin', summary: 'Remove a person with their sessions and tokens. The last admin stays.',
      params: Type.Object({ name: Name }, strict),
      audit: ({ params }) => ({ subject: `user:${params.name}` }),
      handle: ({ params }) => identity.removeUser(params.name),
    }),
    route({
      method: 'POST', path: '/users/:name/password', needs: 'admin', summary: 'Give out a new one-time password; ends the person\'s sessions and tokens.',
      params: Type.Object({ name: Name }, strict),
      answer: OneTimePassword,
      audit: ({ params }) => ({ subject: `user:${params.name}` }),
      handle: ({ principal, params }) => identity.resetPassword(params.name, principal.user),
    }),
    route({
      method: 'GET', path: '/tokens', needs: 'viewer', summary: 'One\'s own tokens; an admin\'s answer holds everybody\'s.',
      answer: Type.Array(TokenView),
      handle: ({ principal }) => identity.tokens(principal.mayDo === 'admin' ? null : principal.user),
    }),
    route({
      method: 'POST', path: '/tokens', needs: 'viewer', summary: 'Make a token for a program, in one\'s own name, with at most one\'s own role. The credential is in the answer and nowhere else.',
      body: Type.Object({ label: Type.String({ minLength: 1, maxLength: 128 }), role: Type.Optional(Type.Enum(ROLES)), hours: Type.Optional(Hours) }, strict),
      answer: NewToken, status: 201,
      audit: ({ principal, body }) => ({ subject: `user:${principal.user}`, fields: { label: body.label, role: body.role ?? principal.mayDo, hours: body.hours ?? DEFAULT_HOURS } }),
      async handle({ principal, body }) {
        // A token cannot make one that may do more than itself, or for longer: a leaked one would never end.
        const role = body.role ?? principal.mayDo
        if (!MAY[principal.mayDo].includes(role)) throw new DrydockError('DD-IDENT-004', `expected a token that may do no more than ${principal.mayDo}, found ${role}`, `ask for role ${principal.mayDo}`)
        return await identity.newToken({ user: principal.user, label: body.label, role, hours: body.hours ?? DEFAULT_HOURS, ...(principal.by === 'token' ? { notAfter: principal.expiresAt } : {}) })
      },
    }),
    route({
      method: 'DELETE', path: '/tokens/:id', needs: 'viewer', summary: 'Revoke one of one\'s own tokens; an admin may revoke any.',
      params: Type.Object({ id: Type.String({ maxLength: 64 }) }, strict),
      audit: ({ params }) => ({ subject: `token:${params.id}` }),
      handle: ({ principal, params }) => identity.revokeToken(params.id, principal.mayDo === 'admin' ? null : principal.user),
    }),
  ]
}
