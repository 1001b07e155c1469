import t from 'tap'
import { digestOf } from '../../../appliance/core/digest.ts'
import { commandLineOf } from '../../../appliance/images/disk.ts'
import { layerKeys, requiredRoles, settingsOf } from '../../../appliance/images/layer-keys.ts'
import type { Lock, LockedRole } from '../../../appliance/model/lock.ts'
import type { BasePack } from '../../../bundles/format/role.ts'

const deb = (name: string, version: string): Lock['base']['kernel'] => ({ name, version, architecture: 'amd64', digest: digestOf(`${name} ${version}`), size: 1 })
const role = (name: string, version: string, more: Partial<LockedRole> = {}): LockedRole => ({ role: name, version, pack: digestOf(name), debs: [deb(name, version)], wheels: [], files: [], env: {}, verify: [{ run: `${name} --version`, expect: version }], ...more })
const pack: BasePack = { apiVersion: 'drydock/v1', kind: 'Base', base: 'debian', version: '12', os: 'linux', arch: 'amd64', suite: 'bookworm', packages: [], kernel: 'linux', sourceDateEpoch: 1, verify: [] }
const lockOf = (roles: LockedRole[], base: Partial<Lock['base']> = {}): Lock => ({
  format: 'drydock-lock/1', baker: 1, os: 'linux', arch: 'amd64', agent: digestOf('agent'), roles,
  base: { name: 'debian', version: '12', pack: digestOf('base'), sourceDateEpoch: 1, debs: [deb('libc6', '2.36')], kernel: deb('linux', '6.1'), verify: [{ run: 'true', expect: '' }], ...base },
})
const roles = [role('python', '3.11'), role('numpy', '1.25'), role('cmake', '3.25')]
const requires = [[], ['python-3.11'], []]
const steps = digestOf('steps')
const keysOf = (lock: Lock): ReturnType<typeof layerKeys> => layerKeys(lock, pack, requires, steps)
const before = keysOf(lockOf(roles))

await t.test('another numpy makes its layer and the last one new, and no other', async t => {
  const after = keysOf(lockOf([roles[0]!, role('numpy', '1.26'), roles[2]!]))
  t.equal(after.base, before.base)
  t.equal(after.boot, before.boot)
  t.same([after.roles[0], after.roles[2]], [before.roles[0], before.roles[2]])
  t.not(after.roles[1], before.roles[1])
  t.not(after.last, before.last)
})

await t.test('another Python makes what stands on it new', async t => {
  const after = keysOf(lockOf([role('python', '3.12'), roles[1]!, roles[2]!]))
  t.not(after.roles[1], before.roles[1], 'numpy, whose requirement no longer holds')
  t.equal(after.roles[2], before.roles[2])
})

await t.test('another package in the base makes everything new; another kernel only the boot files', async t => {
  const based = keysOf(lockOf(roles, { debs: [deb('libc6', '2.37')] }))
  for (const [index, key] of based.roles.entries()) t.not(key, before.roles[index])
  t.not(based.base, before.base)
  const booted = keysOf(lockOf(roles, { kernel: deb('linux', '6.2') }))
  t.not(booted.boot, before.boot)
  t.equal(booted.base, before.base)
})

await t.test('a verify command changes only the last layer, which holds it', async t => {
  const after = keysOf(lockOf([roles[0]!, { ...roles[1]!, verify: [{ run: 'other', expect: '' }] }, roles[2]!]))
  t.same(after.roles, before.roles)
  t.not(after.last, before.last)
})

await t.test('what a role stands on includes what that stands on, lowest first', async t => {
  const lock = lockOf([role('a', '1'), role('b', '1'), role('c', '1')])
  t.same(requiredRoles(lock, [[], ['a'], ['b']], 2), [0, 1])
})

await t.test('the verify commands stand in the lock’s order, base first', async t => {
  t.same(settingsOf(lockOf(roles)).verify.map(command => command.role), ['debian-12', 'python-3.11', 'numpy-1.25', 'cmake-3.25'])
})

await t.test('the command line holds every root hash, and one that Linux would cut is refused', async t => {
  const layer = { digest: digestOf('x'), size: 1, verityRoot: 'a'.repeat(64), dataBlocks: 12345 }
  t.match(commandLineOf([layer]), new RegExp(`drydock\\.layer=${'a'.repeat(64)}\\.12345$`))
  t.throws(() => commandLineOf(Array.from({ length: 25 }, () => layer)), { code: 'DD-IMAGE-015' })
})
