import type { Identity } from '../../model/identity.ts'
import type { NpmAuthentication } from '../../../mirror/npm/authentication.ts'

/** How long what `npm login` keeps is good, hours. */
const LOGIN_HOURS = 30 * 24

/** The appliance's people, as npm clients sign in. Nobody is told why it did not work: npm would show it to anyone. */
export function npmPeople(identity: Identity): NpmAuthentication {
  const quietly = async <T>(work: () => Promise<T>): Promise<T | null> => await work().catch(() => null)
  return {
    async authenticate(credentials) {
      if ('token' in credentials) {
        const known = identity.authenticate(credentials.token)
        return known === undefined || known.mustChangePassword ? null : { name: known.user, groups: [known.mayDo] }
      }
      return await quietly(async () => {
        const { credential, principal } = await identity.signIn(credentials.user, credentials.password, 'npm')
        await identity.signOut(credential)
        return principal.mustChangePassword ? null : { name: principal.user, groups: [principal.mayDo] }
      })
    },
    async login(user, password) {
      return await quietly(async () => {
        const { credential, principal } = await identity.signIn(user, password, 'npm')
        await identity.signOut(credential)
        if (principal.mustChangePassword) return null
        return (await identity.newToken({ user, label: 'npm login', role: principal.mayDo, hours: LOGIN_HOURS })).credential
      })
    },
  }
}
