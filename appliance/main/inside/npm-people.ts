import { DrydockError } from '../../core/error.ts'
import type { AuditLog } from '../../model/audit.ts'
import { MAY, type Identity } from '../../model/identity.ts'
import type { NpmAuthentication } from '../../../mirror/npm/authentication.ts'

/** How long what `npm login` keeps is good, hours. */
const LOGIN_HOURS = 30 * 24

/** The appliance's people, as npm clients sign in. Nobody is told why it did not work: npm would show it to anyone. */
export function npmPeople(identity: Identity, audit: Pick<AuditLog, 'record'>): NpmAuthentication {
  /** Only what is wrong with name and password is quiet; that an audit record could not be written is not. */
  const quietly = async <T>(work: () => Promise<T>): Promise<T | null> =>
    await work().catch((failure: unknown) => {
      if (failure instanceof DrydockError && failure.code === 'DD-STATE-010') throw failure
      return null
    })
  const about = (user: string) => ({ actor: user, action: 'npm login', subject: `user:${user}` })

  async function signIn(user: string, password: string, from: string) {
    const { credential, principal } = await identity.signIn(user, password, from).catch((failure: unknown) => {
      if (failure instanceof DrydockError && failure.code === 'DD-IDENT-001') audit.record({ ...about(user), outcome: 'refused', fields: { from } })
      throw failure
    })
    await identity.signOut(credential)
    return principal.mustChangePassword ? null : principal
  }

  return {
    async authenticate(credentials, from) {
      if ('token' in credentials) {
        const known = identity.authenticate(credentials.token)
        return known === undefined || known.mustChangePassword ? null : { name: known.user, groups: [known.mayDo] }
      }
      return await quietly(async () => {
        const principal = await signIn(credentials.user, credentials.password, from)
        return principal === null ? null : { name: principal.user, groups: [principal.mayDo] }
      })
    },
    async login(user, password, from) {
      return await quietly(async () => {
        const principal = await signIn(user, password, from)
        if (principal === null) return null
        // It lies in an .npmrc for a month: enough to publish, never to approve an import or to make users.
        const role = MAY[principal.mayDo].includes('operator') ? 'operator' : 'viewer'
        audit.record({ ...about(user), outcome: 'allowed', fields: { from, role, hours: LOGIN_HOURS } })
        return (await identity.newToken({ user, label: 'npm login', role, hours: LOGIN_HOURS })).credential
      })
    },
    async logout(token) {
      const known = identity.authenticate(token, { touch: false })
      if (known?.by !== 'token') return
      audit.record({ ...about(known.user), action: 'npm logout', outcome: 'allowed' })
      await identity.signOut(token)
    },
    record({ user, ...change }) {
      audit.record({ actor: user, ...change })
    },
  }
}
