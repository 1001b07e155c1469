import t from 'tap'
import type { BasePack, RolePack } from '../../../bundles/format/role.ts'
import { digestOf } from '../../../appliance/core/digest.ts'
import { chooseBase, chooseRoles, parsePack, type Packs } from '../../../appliance/images/packs.ts'
import { roleMatches } from '../../../appliance/images/role-word.ts'

const role = (name: string, version: string, more: Partial<RolePack> = {}): Packs['roles'][number] => ({
  pack: { apiVersion: 'drydock/v1', kind: 'Role', role: name, version, os: 'linux', arch: 'amd64', requires: [], conflicts: [], payload: {}, env: {}, verify: [{ run: 'true', expect: '' }], ...more },
  digest: digestOf(`${name} ${version}`),
})
const base = (version: string): Packs['bases'][number] => ({
  pack: { apiVersion: 'drydock/v1', kind: 'Base', base: 'debian', version, os: 'linux', arch: 'amd64', suite: 'bookworm', packages: [], kernel: 'linux-image-cloud-amd64', sourceDateEpoch: 0, verify: [] } satisfies BasePack,
  digest: digestOf(version),
})
const packs: Packs = {
  bases: [base('12')],
  roles: [
    role('python', '3.11.2'), role('python', '3.11.10'), role('python', '3.12.1'),
    role('numpy', '1.25.2', { requires: ['python-3.11'] }), role('numpy', '1.26.0', { requires: ['python-3.11'] }),
    role('cmake', '3.25.1'), role('gcc-arm-none-eabi', '12.2.1'), role('gcc', '12.2.0', { conflicts: ['gcc-arm-none-eabi'] }),
  ],
}
const where = { generation: 4, arch: 'amd64' }
const names = (words: string[]): string[] => chooseRoles(words, packs, where).map(({ pack }) => `${pack.role} ${pack.version}`)

await t.test('a version in a name takes the newest that begins with it; no version, the newest of all', async t => {
  t.same(names(['python-3.11', 'cmake']), ['python 3.11.10', 'cmake 3.25.1'])
  t.same(names(['python', 'gcc-arm-none-eabi']), ['python 3.12.1', 'gcc-arm-none-eabi 12.2.1'])
  t.notOk(roleMatches('python-3.1', { role: 'python', version: '3.11.2' }), '3.1 is not 3.11')
})

await t.test('roles stay in the order of the spec', async t => {
  t.same(names(['cmake', 'python-3.11', 'numpy-1.26.0']), ['cmake 3.25.1', 'python 3.11.10', 'numpy 1.26.0'])
})

await t.test('an unknown role is refused and the nearest named', async t => {
  t.throws(() => names(['cmkae']), { code: 'DD-IMAGE-001', message: /generation 4.*the nearest is cmake/, hint: /bring role pack cmkae/ })
  t.throws(() => names(['python-3.11', 'numpy-1.27.0']), { code: 'DD-IMAGE-001', message: /only numpy-1.25.2, numpy-1.26.0/ })
})

await t.test('an unknown base is refused with what there is', async t => {
  t.throws(() => chooseBase('debian-13', packs, where), { code: 'DD-IMAGE-002', message: /only debian-12/ })
})

await t.test('what a role requires must stand below it', async t => {
  t.throws(() => names(['numpy-1.26.0']), { code: 'DD-IMAGE-005', hint: 'put python-3.11 before numpy-1.26.0' })
  t.throws(() => names(['numpy-1.26.0', 'python-3.11']), { code: 'DD-IMAGE-005', message: /found it above/ })
  t.throws(() => names(['python-3.12', 'numpy-1.26.0']), { code: 'DD-IMAGE-005' })
})

await t.test('roles that exclude each other, and two versions of one role, are refused', async t => {
  t.throws(() => names(['gcc-arm-none-eabi', 'gcc']), { code: 'DD-IMAGE-006' })
  t.throws(() => names(['python-3.11', 'python-3.12']), { code: 'DD-IMAGE-006', message: /one version of role python/ })
})

await t.test('a pack that is not one is refused with its field', async t => {
  t.throws(() => parsePack('kind: Role\nrole: x\n', 'role pack x 1'), { code: 'DD-IMAGE-008', message: /role pack x 1/ })
  t.throws(() => parsePack('{{', 'role pack x 1'), { code: 'DD-IMAGE-008' })
})
