import { randomBytes } from 'node:crypto'
import type { Clock } from '../core/clock.ts'
import { digestOf } from '../core/digest.ts'
import { DrydockError } from '../core/error.ts'
import { uuidv7 } from '../core/ids.ts'
import type { Desired, DesiredStore, Token, User } from '../model/desired.ts'
import { MAY, type Identity, type Principal, type TokenView, type UserView } from '../model/identity.ts'
import type { UserRole } from '../model/view.ts'
import { checkNewPassword, hashPassword, oneTimePassword, passwordMatches } from './password.ts'
import { Sessions } from './sessions.ts'
import { Throttle } from './throttle.ts'

/** Every token begins with this, so that a leaked one is found by a search and a session is never mistaken for one. */
export const TOKEN_PREFIX = 'drydock_'
const HOUR = 3_600_000
/** Tokens of one user at a time; the oldest ends for a new one, so that nobody can fill desired state with them. */
const TOKENS_PER_USER = 64
/** A sign-in sends at most this many characters to the hash. */
const SENT_MAX = 1024

/** What identity needs of the desired store. */
export type UserStore = Pick<DesiredStore, 'read' | 'update'>

/** A person as desired state keeps one, with a one-time password: `init` makes the first admin with it, and is nobody. */
export async function newUser(name: string, role: UserRole, clock: Clock, by: string | null = null): Promise<{ user: User; oneTimePassword: string }> {
  const password = oneTimePassword()
  const at = clock.now().toISOString()
  return { user: { name, role, password: await hashPassword(password), mustChangePassword: true, createdAt: at, given: { by, at } }, oneTimePassword: password }
}

export function openIdentity({ store, clock }: { store: UserStore; clock: Clock }): Identity {
  const sessions = new Sessions(clock)
  const throttle = new Throttle(clock)
  const userOf = (name: string): User | undefined => (Object.hasOwn(store.read().users, name) ? store.read().users[name] : undefined)

  function tokenPrincipal(credential: string): Principal | undefined {
    const digest = digestOf(credential)
    const token = Object.values(store.read().tokens).find(one => one.digest === digest)
    const user = token === undefined ? undefined : userOf(token.user)
    if (token === undefined || user === undefined || Date.parse(token.expiresAt) <= clock.now().getTime()) return undefined
    // A user who was made less than the token allows takes the token down with them.
    const mayDo = MAY[user.role].includes(token.role) ? token.role : MAY[token.role].includes(user.role) ? user.role : 'viewer'
    return { user: user.name, mayDo, mustChangePassword: user.mustChangePassword, expiresAt: new Date(token.expiresAt), by: 'token' }
  }

  function sessionPrincipal(credential: string, touch: boolean): Principal | undefined {
    const session = sessions.find(credential, name => userOf(name)?.role, touch)
    const user = session === undefined ? undefined : userOf(session.user)
    return session === undefined || user === undefined ? undefined : { user: user.name, mayDo: user.role, mustChangePassword: user.mustChangePassword, expiresAt: session.expiresAt, by: 'session' }
  }

  async function checkPassword(name: string, password: string): Promise<User> {
    const user = userOf(name)
    const matches = password.length <= SENT_MAX && (await passwordMatches(password, user?.password ?? null))
    if (user === undefined || !matches) throw new DrydockError('DD-IDENT-001', 'expected a user and its password, found a pair that does not match', 'type both again; an admin can give out a new one-time password: drydock user password NAME')
    return user
  }

  return {
    async signIn(name, password, from) {
      throttle.attempt(name, from)
      await checkPassword(name, password)
      throttle.succeeded(name, from)
      const credential = sessions.start(name)
      const principal = sessionPrincipal(credential, true)
      if (principal === undefined) throw noUser(name)
      return { credential, principal }
    },

    authenticate(credential, { touch = true } = {}) {
      return credential.startsWith(TOKEN_PREFIX) ? tokenPrincipal(credential) : sessionPrincipal(credential, touch)
    },

    async signOut(credential) {
      sessions.end(credential)
      const digest = digestOf(credential)
      const token = Object.values(store.read().tokens).find(one => one.digest === digest)
      if (token !== undefined) await store.update(draft => {
        delete draft.tokens[token.id]
      })
    },

    async changePassword(name, old, next, keep) {
      // Whoever has somebody's session or token must not try passwords with it either.
      const from = `the session of ${name}`
      throttle.attempt(name, from)
      const before = (await checkPassword(name, old)).password
      throttle.succeeded(name, from)
      checkNewPassword(next, name, old)
      const password = await hashPassword(next)
      await store.update(draft => {
        const user = userIn(draft, name)
        // Somebody else changed it while we were hashing: theirs stands.
        if (user.password !== before) throw new DrydockError('DD-IDENT-001', 'expected the old password to be current, found that it was just changed', 'sign in again with the newest one')
        user.password = password
        user.mustChangePassword = false
      })
      sessions.endAllOf(name, keep)
    },

    users: () => Object.values(store.read().users).map(userView).toSorted((a, b) => (a.name < b.name ? -1 : 1)),

    async addUser({ name, role }, by) {
      const made = await newUser(name, role, clock, by)
      await store.update(draft => {
        if (Object.hasOwn(draft.users, name)) throw new DrydockError('DD-IDENT-007', `expected a name that nobody has, found ${JSON.stringify(name)} taken`, 'choose another name')
        draft.users[name] = made.user
      })
      return { user: userView(made.user), oneTimePassword: made.oneTimePassword }
    },

    async removeUser(name) {
      await store.update(draft => {
        userIn(draft, name)
        delete draft.users[name]
        for (const token of Object.values(draft.tokens)) if (token.user === name) delete draft.tokens[token.id]
        if (!Object.values(draft.users).some(user => user.role === 'admin' && user.password !== null)) {
          throw new DrydockError('DD-IDENT-009', `expected at least one admin to remain, found ${JSON.stringify(name)} to be the last one`, 'add another admin first: drydock user add NAME --role admin')
        }
      })
      sessions.endAllOf(name)
    },

    async resetPassword(name, by) {
      const password = oneTimePassword()
      const hash = await hashPassword(password)
      await store.update(draft => {
        Object.assign(userIn(draft, name), { password: hash, mustChangePassword: true, given: { by, at: clock.now().toISOString() } })
        for (const token of Object.values(draft.tokens)) if (token.user === name) delete draft.tokens[token.id]
      })
      sessions.endAllOf(name)
      return { oneTimePassword: password }
    },

    tokens: user => Object.values(store.read().tokens).filter(token => user === null || token.user === user).map(tokenView),

    async newToken({ user, label, role, hours, notAfter }) {
      const owner = userOf(user)
      if (owner === undefined) throw noUser(user)
      if (!MAY[owner.role].includes(role)) throw new DrydockError('DD-IDENT-004', `expected a token that may do no more than its user (${owner.role}), found ${role}`, `ask for --role ${owner.role}`)
      const credential = TOKEN_PREFIX + randomBytes(32).toString('base64url')
      const now = clock.now()
      const token: Token = { id: uuidv7(now), user, label, role, digest: digestOf(credential), createdAt: now.toISOString(), expiresAt: new Date(Math.min(now.getTime() + hours * HOUR, notAfter?.getTime() ?? Infinity)).toISOString() }
      await store.update(draft => {
        for (const old of Object.values(draft.tokens)) if (Date.parse(old.expiresAt) <= now.getTime()) delete draft.tokens[old.id]
        const mine = Object.values(draft.tokens).filter(old => old.user === user).toSorted((a, b) => (a.id < b.id ? -1 : 1))
        for (const old of mine.slice(0, Math.max(0, mine.length - TOKENS_PER_USER + 1))) delete draft.tokens[old.id]
        draft.tokens[token.id] = token
      })
      return { token: tokenView(token), credential }
    },

    async revokeToken(id, by) {
      await store.update(draft => {
        const token = Object.hasOwn(draft.tokens, id) ? draft.tokens[id] : undefined
        if (token === undefined || (by !== null && token.user !== by)) throw new DrydockError('DD-IDENT-008', `expected a token of this id, found none: ${JSON.stringify(id)}`, 'drydock token list shows them')
        delete draft.tokens[id]
      })
    },
  }
}

function userIn(draft: Desired, name: string): User {
  const user = Object.hasOwn(draft.users, name) ? draft.users[name] : undefined
  if (user === undefined) throw noUser(name)
  return user
}

const noUser = (name: string) => new DrydockError('DD-IDENT-008', `expected a user of this name, found none: ${JSON.stringify(name)}`, 'drydock user list shows them')
const userView = ({ name, role, mustChangePassword, createdAt, given }: User): UserView => ({ name, role, mustChangePassword, createdAt, given: given ?? { by: null, at: createdAt } })
const tokenView = ({ id, user, label, role, createdAt, expiresAt }: Token): TokenView => ({ id, user, label, role, createdAt, expiresAt })
