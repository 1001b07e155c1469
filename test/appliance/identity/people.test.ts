import t from 'tap'
import type { DrydockError } from '../../../appliance/core/error.ts'
import type { Desired } from '../../../appliance/model/desired.ts'
import { hashPassword, oneTimePassword, passwordMatches } from '../../../appliance/identity/password.ts'
import { newUser, openIdentity, TOKEN_PREFIX, type UserStore } from '../../../appliance/identity/people.ts'

const MINUTE = 60_000
const PASSWORD = 'four unrelated words'
let now = new Date('2026-11-20T12:00:00Z').getTime()
const clock = { now: () => new Date(now) }
const hash = await hashPassword(PASSWORD)

/** The store's contract in memory: a change that throws leaves everything as it was. */
function openStore(): UserStore {
  const user = (name: string, role: 'viewer' | 'operator' | 'admin') => [name, { name, role, password: hash, mustChangePassword: false, createdAt: '2026-01-01T00:00:00.000Z' }] as const
  let state = { users: Object.fromEntries([user('root', 'admin'), user('olga', 'operator'), user('vera', 'viewer')]), tokens: {} } as unknown as Desired
  return {
    read: () => state,
    async update(change) {
      const draft = structuredClone(state)
      change(draft)
      state = draft
      return state
    },
  }
}

// Every sign-in costs a third of a second of one core, and the cores may be busy.
t.setTimeout(280_000)
const refusal = (call: Promise<unknown>) => call.then(() => undefined, (failure: DrydockError) => failure)

await t.test('a password is kept as a salted scrypt hash, and comparing takes as long for nobody as for somebody', async t => {
  t.match(hash, /^scrypt:15:8:3:[\w-]{22}:[\w-]{43}$/)
  t.not(hash, await hashPassword(PASSWORD))
  t.ok(await passwordMatches(PASSWORD, hash))
  t.notOk(await passwordMatches(`${PASSWORD} `, hash))
  t.notOk(await passwordMatches('', null))
  const time = async (against: string | null) => {
    const began = process.cpuUsage()
    await passwordMatches('wrong', against)
    return process.cpuUsage(began).user
  }
  const [real, none] = [await time(hash), await time(null)]
  t.ok(none > real / 3 && none < real * 3, `${none} µs of CPU for nobody, ${real} for somebody`)
  t.match(oneTimePassword(), /^([bcdfghjkmnpqrstvwxz2-9]{4}-){4}[bcdfghjkmnpqrstvwxz2-9]{4}$/)
})

await t.test('a session ends when it is idle: admins after 10 minutes, others after 15; looking without touching does not keep it', async t => {
  const identity = openIdentity({ store: openStore(), clock })
  const admin = await identity.signIn('root', PASSWORD, 'a')
  const viewer = await identity.signIn('vera', PASSWORD, 'a')
  now += 9 * MINUTE
  t.ok(identity.authenticate(admin.credential))
  now += 9 * MINUTE
  t.ok(identity.authenticate(admin.credential, { touch: false }), 'used 9 minutes ago')
  t.equal(identity.authenticate(viewer.credential), undefined, 'idle for 18')
  now += MINUTE
  t.equal(identity.authenticate(admin.credential), undefined, 'idle for 10: looking did not count')
})

await t.test('a session ends after twelve hours however busy it is', async t => {
  const identity = openIdentity({ store: openStore(), clock })
  const { credential } = await identity.signIn('vera', PASSWORD, 'a')
  let uses = 0
  for (; identity.authenticate(credential) !== undefined; now += 10 * MINUTE) uses++
  t.equal(uses, 72)
})

await t.test('guessing is slowed down by name and address; a stranger elsewhere locks nobody out', async t => {
  const identity = openIdentity({ store: openStore(), clock })
  for (let guess = 0; guess < 5; guess++) await t.rejects(identity.signIn('vera', 'wrong', 'evil'), { code: 'DD-IDENT-001' })
  t.match(await refusal(identity.signIn('vera', PASSWORD, 'evil')), { code: 'DD-IDENT-002', hint: 'wait 1 s and try again' }, 'even with the right one')
  t.ok(await identity.signIn('vera', PASSWORD, 'desk'), 'from her own desk')
  now += 1000
  await t.rejects(identity.signIn('vera', 'wrong', 'evil'), { code: 'DD-IDENT-001' })
  t.match(await refusal(identity.signIn('vera', PASSWORD, 'evil')), { hint: 'wait 2 s and try again' })
  now += 2000
  t.ok(await identity.signIn('vera', PASSWORD, 'evil'))
  for (let guess = 0; guess < 14; guess++) await t.rejects(identity.signIn(`nobody-${guess}`, 'wrong', 'evil'), { code: 'DD-IDENT-001' })
  await t.rejects(identity.signIn('somebody-new', 'wrong', 'evil'), { code: 'DD-IDENT-002' }, 'many names from one address')
})

await t.test('many guesses at the same moment are no way around it', async t => {
  const identity = openIdentity({ store: openStore(), clock })
  const codes = await Promise.all(Array.from({ length: 40 }, async () => (await refusal(identity.signIn('vera', 'wrong', 'evil')))?.code))
  t.equal(codes.filter(code => code === 'DD-IDENT-001').length, 5)
  t.equal(codes.filter(code => code === 'DD-IDENT-002').length, 35)
})

await t.test('a stolen session is no place to guess the password either', async t => {
  const identity = openIdentity({ store: openStore(), clock })
  const guess = (old: string) => refusal(identity.changePassword('vera', old, 'four other good words', ''))
  const codes = []
  for (let n = 0; n < 7; n++) codes.push((await guess('wrong'))?.code)
  t.same(codes, [...Array.from({ length: 5 }, () => 'DD-IDENT-001'), 'DD-IDENT-002', 'DD-IDENT-002'])
  t.ok(await identity.signIn('vera', PASSWORD, 'desk'), 'she is not locked out')
  t.notOk(await refusal(identity.changePassword('olga', PASSWORD, 'four other good words', '')), 'nor is anybody else')
})

await t.test('a user has 64 tokens at most, and one that a token made ends with it', async t => {
  const store = openStore()
  const identity = openIdentity({ store, clock })
  const first = await identity.newToken({ user: 'vera', label: 'first', role: 'viewer', hours: 1 })
  now += 1
  for (let n = 0; n < 64; n++) await identity.newToken({ user: 'vera', label: `${n}`, role: 'viewer', hours: 1 })
  t.equal(identity.tokens('vera').length, 64)
  t.equal(identity.authenticate(first.credential), undefined, 'the oldest made place')
  const notAfter = new Date(now + MINUTE)
  t.equal((await identity.newToken({ user: 'olga', label: 'child', role: 'viewer', hours: 24, notAfter })).token.expiresAt, notAfter.toISOString())
})

await t.test('a user who does not exist is refused in the same words', async t => {
  const identity = openIdentity({ store: openStore(), clock })
  const [known, unknown] = await Promise.all(['vera', '__proto__'].map(name => identity.signIn(name, 'wrong', 'b').catch((failure: Error) => failure.message)))
  t.equal(known, unknown)
})

await t.test('the last admin cannot be removed', async t => {
  const store = openStore()
  const identity = openIdentity({ store, clock })
  await t.rejects(identity.removeUser('root'), { code: 'DD-IDENT-009' })
  t.ok(store.read().users['root'])
  await identity.addUser({ name: 'second', role: 'admin' }, 'root')
  await identity.removeUser('root')
  await t.rejects(identity.removeUser('second'), { code: 'DD-IDENT-009' })
  await t.rejects(identity.removeUser('constructor'), { code: 'DD-IDENT-008' })
  await t.rejects(identity.addUser({ name: 'second', role: 'viewer' }, 'root'), { code: 'DD-IDENT-007' })
})

await t.test('changing a password ends the other sessions; resetting it ends all of them and the tokens', async t => {
  const identity = openIdentity({ store: openStore(), clock })
  const mine = await identity.signIn('olga', PASSWORD, 'a')
  const other = await identity.signIn('olga', PASSWORD, 'b')
  for (const [next, why] of [['short', 'short'], [PASSWORD, 'the old one'], ['olga and three more words', 'her name'], ['x'.repeat(300), 'too long']] as const) {
    await t.rejects(identity.changePassword('olga', PASSWORD, next, mine.credential), { code: 'DD-IDENT-006' }, why)
  }
  await t.rejects(identity.changePassword('olga', 'wrong', 'four other good words', mine.credential), { code: 'DD-IDENT-001' })
  await identity.changePassword('olga', PASSWORD, 'four other good words', mine.credential)
  t.ok(identity.authenticate(mine.credential))
  t.equal(identity.authenticate(other.credential), undefined)
  const { credential: token } = await identity.newToken({ user: 'olga', label: 'ci', role: 'viewer', hours: 1 })
  const { oneTimePassword: given } = await identity.resetPassword('olga', 'root')
  t.equal(identity.authenticate(mine.credential), undefined)
  t.equal(identity.authenticate(token), undefined)
  t.equal((await identity.signIn('olga', given, 'a')).principal.mustChangePassword, true)
})

await t.test('a token does what it was made for, never more than its user, until it expires', async t => {
  const store = openStore()
  const identity = openIdentity({ store, clock })
  const { credential, token } = await identity.newToken({ user: 'olga', label: 'ci', role: 'operator', hours: 1 })
  t.ok(credential.startsWith(TOKEN_PREFIX))
  t.notMatch(JSON.stringify(store.read()), credential.slice(TOKEN_PREFIX.length), 'only its digest is kept')
  t.match(identity.authenticate(credential), { user: 'olga', mayDo: 'operator', by: 'token' })
  await t.rejects(identity.newToken({ user: 'olga', label: 'x', role: 'admin', hours: 1 }), { code: 'DD-IDENT-004' })
  await store.update(draft => {
    draft.users['olga']!.role = 'viewer'
  })
  t.equal(identity.authenticate(credential)?.mayDo, 'viewer', 'her role was lowered')
  await store.update(draft => {
    draft.users['olga']!.role = 'approver'
  })
  t.equal(identity.authenticate(credential)?.mayDo, 'viewer', 'neither stands above the other')
  await t.rejects(identity.revokeToken(token.id, 'vera'), { code: 'DD-IDENT-008' }, 'not hers')
  now += 60 * MINUTE
  t.equal(identity.authenticate(credential), undefined)
})

await t.test('of two changes of one password at the same time, one stands', async t => {
  const identity = openIdentity({ store: openStore(), clock })
  const results = await Promise.allSettled(['four first good words', 'four second good words'].map(next => identity.changePassword('vera', PASSWORD, next, '')))
  t.same(results.map(result => result.status).toSorted(), ['fulfilled', 'rejected'])
})

await t.test('the first user of init has a one-time password', async t => {
  const { user, oneTimePassword: given } = await newUser('root', 'admin', clock)
  t.match(user, { name: 'root', role: 'admin', mustChangePassword: true })
  t.ok(await passwordMatches(given, user.password))
})
