import t from 'tap'
import { newUser, openIdentity, type UserStore } from '../../../appliance/identity/people.ts'
import { DrydockError } from '../../../appliance/core/error.ts'
import { npmPeople } from '../../../appliance/main/inside/npm-people.ts'
import type { NewAuditRecord } from '../../../appliance/model/audit.ts'
import type { Desired } from '../../../appliance/model/desired.ts'

t.setTimeout(120_000)
const clock = { now: () => new Date('2026-11-20T12:00:00Z') }
const { user, oneTimePassword: password } = await newUser('root', 'admin', clock)
let state = { users: { root: { ...user, mustChangePassword: false } }, tokens: {} } as unknown as Desired
const store: UserStore = {
  read: () => state,
  async update(change) {
    const draft = structuredClone(state)
    change(draft)
    return (state = draft)
  },
}
const records: NewAuditRecord[] = []
let full = false
const identity = openIdentity({ store, clock })
const people = npmPeople(identity, {
  record(entry) {
    if (full) throw new DrydockError('DD-STATE-010', 'expected the audit record to be written, found a full disk', 'free space')
    records.push(entry)
    return { ...entry, seq: records.length, at: '', fields: {}, previous: '', digest: '' }
  },
})

await t.test('what npm keeps in a file may publish, whatever its user may; login and logout are audited', async t => {
  t.equal(await people.login('root', 'wrong', '192.0.2.1'), null)
  const token = (await people.login('root', password, '192.0.2.1'))!
  t.match(identity.authenticate(token), { user: 'root', mayDo: 'operator' })
  t.same(await people.authenticate({ token }, ''), { name: 'root', groups: ['operator'] })
  await people.logout(token)
  t.equal(identity.authenticate(token), undefined)
  t.same(records.map(({ action, outcome }) => [action, outcome]), [['npm login', 'refused'], ['npm login', 'allowed'], ['npm logout', 'allowed']])
})

await t.test('a login that cannot be audited makes no token', async t => {
  full = true
  await t.rejects(people.login('root', password, '192.0.2.1'), { code: 'DD-STATE-010' })
  t.same(Object.keys(state.tokens), [])
})
