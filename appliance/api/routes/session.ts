import Type from 'typebox'
import { DrydockError } from '../../core/error.ts'
import type { Principal } from '../../model/identity.ts'
import { SessionView } from '../../model/view.ts'
import { SignedIn } from '../answers.ts'
import { clearSessionCookie, setSessionCookie } from '../cookie.ts'
import { route, type Route } from '../route.ts'
import type { Services } from '../services.ts'

const strict = { additionalProperties: false } as const
const Password = Type.String({ minLength: 1, maxLength: 1024 })

export function sessionRoutes({ identity, audit, siteId, version }: Services): Route[] {
  const view = (principal: Principal): SessionView => ({
    user: principal.user, role: principal.mayDo, mustChangePassword: principal.mustChangePassword, expiresAt: principal.expiresAt.toISOString(), site: siteId, version,
  })
  return [
    route({
      method: 'POST', path: '/session', needs: 'anyone', summary: 'Sign in. Sets the session cookie; the same credential is in the answer, for programs.',
      body: Type.Object({ user: Type.String({ minLength: 1, maxLength: 128 }), password: Password }, strict),
      answer: SignedIn,
      audit: 'itself',
      async handle({ body, http }) {
        const about = { actor: body.user, action: 'POST /api/v1/session', subject: `user:${body.user}` }
        let signedIn
        try {
          signedIn = await identity.signIn(body.user, body.password, http.request.ip)
        } catch (failure) {
          // One that has to wait is not written again and again: that would fill the disk for an attacker.
          if (failure instanceof DrydockError && failure.code === 'DD-IDENT-001') audit.record({ ...about, outcome: 'refused', fields: { from: http.request.ip } })
          throw failure
        }
        try {
          audit.record({ ...about, outcome: 'allowed', fields: { from: http.request.ip } })
        } catch (failure) {
          await identity.signOut(signedIn.credential)
          throw failure
        }
        setSessionCookie(http.reply, signedIn.credential)
        return { ...view(signedIn.principal), token: signedIn.credential }
      },
    }),
    route({
      method: 'GET', path: '/session', needs: 'session', summary: 'Who is signed in.',
      answer: SessionView,
      handle: ({ principal }) => view(principal),
    }),
    route({
      method: 'DELETE', path: '/session', needs: 'session', summary: 'Sign out: ends this session, or revokes this token.',
      audit: ({ principal }) => ({ subject: `user:${principal.user}` }),
      async handle({ http }) {
        await identity.signOut(http.credential)
        clearSessionCookie(http.reply)
      },
    }),
    route({
      method: 'POST', path: '/session/password', needs: 'session', summary: 'Change one\'s own password; ends one\'s other sessions.',
      body: Type.Object({ old: Password, new: Password }, strict),
      audit: ({ principal }) => ({ subject: `user:${principal.user}` }),
      async handle({ body, principal, http }) {
        await identity.changePassword(principal.user, body.old, body.new, http.credential)
      },
    }),
  ]
}
