import { join } from 'node:path'
import t from 'tap'
import { Collection } from '../../../bundles/collect/collection.ts'
import { readPacks, selectPacks } from '../../../bundles/collect/roles/role-packs.ts'
import { checkRoleFiles, wantsOf } from '../../../bundles/collect/wants.ts'
import { checkShape } from '../../../bundles/format/check.ts'
import { runCollect } from './support/run-collect.ts'

const role = (name: string, version: string, payload = '{}', requires = '[]') =>
  `apiVersion: drydock/v1\nkind: Role\nrole: ${name}\nversion: "${version}"\nos: linux\narch: amd64\nrequires: ${requires}\nconflicts: []\npayload: ${payload}\nenv: {}\nverify: [{ run: "true", expect: "" }]\n`
const BASE = 'apiVersion: drydock/v1\nkind: Base\nbase: thin\nversion: "1"\nos: linux\narch: amd64\nsuite: test\npackages: [systemd]\nkernel: linux-image\nsourceDateEpoch: 1\nverify: []\n'
const PACKS = {
  'a.yaml': role('py', '3.9.2'),
  'b.yaml': role('py', '3.11.2', '{ apt: [python3] }'),
  'c.yaml': role('py', '3.110.0'),
  'd.yaml': role('num', '1.0', '{ pip: ["num==1.0"], files: [{ path: bench/a.txt, to: /opt/a.txt }] }', '[py-3.11]'),
  'base.yaml': BASE,
  'notes.txt': 'not a pack',
}
const collection = (wish: object) => checkShape(Collection, { apiVersion: 'drydock/v1', kind: 'Collection', name: 'x', ...wish }, 'collection')

await t.test('a name means the newest pack that it fits, and 3.11 is not 3.110', async t => {
  const packs = await readPacks([t.testdir(PACKS)])
  const versions = (...names: string[]) => selectPacks(names, packs, ['amd64']).map(pack => `${pack.name} ${pack.version}`)
  t.strictSame(versions('py'), ['py 3.110.0'])
  t.strictSame(versions('py-3.11', 'py-3.9.2'), ['py 3.11.2', 'py 3.9.2'])
  t.strictSame(versions('num-1.0'), ['num 1.0', 'py 3.11.2'], 'what a role requires comes along')
})

await t.test('an unknown role is refused with those that there are, and so is one for another architecture', async t => {
  const packs = await readPacks([t.testdir(PACKS)])
  t.throws(() => selectPacks(['nodejs-20'], packs, ['amd64']), { code: 'DD-COLLECT-009', message: /nodejs-20.*py-3\.11\.2/ })
  t.throws(() => selectPacks(['py'], packs, ['arm64']), { code: 'DD-COLLECT-009' })
})

await t.test('a pack with an unknown field is refused', async t => {
  await t.rejects(readPacks([t.testdir({ 'a.yaml': `${role('py', '1')}size: 3\n` })]), { code: 'DD-CORE-009' })
  await t.rejects(readPacks([join(t.testdir(), 'nowhere')]), { code: 'DD-COLLECT-011' })
})

await t.test('a base brings the essential packages, itself and its kernel as sets of their own, and each role on top of it', async t => {
  const packs = selectPacks(['thin-1', 'num-1.0'], await readPacks([t.testdir(PACKS)]), ['amd64'])
  const { apt: [apt], pypi } = wantsOf(collection({ apt: { packages: ['hello'] } }), packs, '/')
  t.strictSame(apt?.sets.map(set => set.packages), [[], ['systemd'], ['systemd', 'linux-image'], ['systemd', 'python3'], ['systemd', 'hello']])
  t.ok(apt?.sets.every(set => set.bootstrap))
  t.strictSame(apt?.suites, ['test', 'test-updates', 'test-security'])
  t.strictSame(pypi?.targets[0]?.requirements, ['num==1.0'])
  t.ok(pypi?.targets[0]?.platforms.includes('manylinux2014_x86_64') && !pypi.targets[0].platforms.includes('manylinux_2_37_x86_64'), 'what glibc 2.36 can run')
})

await t.test('packages without a base want their suites named', async t => {
  t.throws(() => wantsOf(collection({ apt: { packages: ['hello'] } }), [], '/'), { code: 'DD-CORE-009', at: '/apt/suites' })
})

await t.test('a role whose file is not in the collection is refused', async t => {
  const packs = selectPacks(['num-1.0'], await readPacks([t.testdir(PACKS)]), ['amd64'])
  t.throws(() => checkRoleFiles(packs, new Set()), { code: 'DD-COLLECT-009', message: /bench\/a\.txt/ })
  t.doesNotThrow(() => checkRoleFiles(packs, new Set(['bench/a.txt'])))
})

await t.test('the role packs that ship can all be read and selected', async t => {
  const packs = await readPacks([join(import.meta.dirname, '../../../bundles/roles')])
  const names = ['clang-16', 'cmake', 'debian-12', 'gcc-arm-none-eabi', 'git', 'nodejs', 'numpy-1.25.2', 'numpy-1.26.0', 'python-3.11']
  for (const arch of ['amd64', 'arm64'] as const) t.equal(selectPacks(names, packs, [arch]).length, names.length)
})

const ARM = (text: string) => text.replace('arch: amd64', 'arch: arm64')
const ARM_PACKS = { ...PACKS, 'b-arm.yaml': ARM(PACKS['b.yaml']), 'd-arm.yaml': ARM(role('num', '1.0', '{ pip: ["num==1.0.post1"] }', '[py-3.11]')), 'base-arm.yaml': ARM(BASE) }

await t.test('for several architectures each role and base comes with its own pack for each, and with what that one needs', async t => {
  const packs = selectPacks(['thin-1', 'num-1.0'], await readPacks([t.testdir(ARM_PACKS)]), ['amd64', 'arm64'])
  t.strictSame(packs.map(({ name, pack }) => `${name}:${pack.arch}`), ['thin:amd64', 'num:amd64', 'py:amd64', 'thin:arm64', 'num:arm64', 'py:arm64'])
  const { apt, pypi } = wantsOf(collection({ architectures: ['amd64', 'arm64'] }), packs, '/')
  t.strictSame(apt.map(({ arch, sets }) => [arch, sets.map(set => set.packages)]), ['amd64', 'arm64'].map(arch => [arch, [[], ['systemd'], ['systemd', 'linux-image'], ['systemd', 'python3']]]))
  t.strictSame(pypi?.targets.map(({ platforms, requirements }) => [platforms.at(-1), requirements]), [['linux_x86_64', ['num==1.0']], ['linux_aarch64', ['num==1.0.post1']]])
})

await t.test('a role that there is for one architecture alone is named with it, or refused with how to', async t => {
  const packs = await readPacks([t.testdir(ARM_PACKS)])
  t.throws(() => selectPacks(['thin-1', 'py-3.9.2'], packs, ['amd64', 'arm64']), { code: 'DD-COLLECT-009', message: /py-3\.9\.2 for arm64/, hint: /say py-3\.9\.2:amd64 when/ })
  t.strictSame(selectPacks(['thin-1', 'py-3.9.2:amd64'], packs, ['amd64', 'arm64']).map(({ name, pack }) => `${name}:${pack.arch}`), ['thin:amd64', 'py:amd64', 'thin:arm64'])
  t.throws(() => selectPacks(['py-3.11:riscv64'], packs, ['amd64']), { code: 'DD-COLLECT-009', message: /found riscv64/ })
})

await t.test('packs of two architectures travel side by side, and the one for amd64 is named as it always was', async t => {
  const folder = t.testdir(Object.fromEntries(Object.entries(ARM_PACKS).map(([name, text]) => [name, text.replace(/payload: .*/, 'payload: {}')])))
  const { lock } = await runCollect(folder, { architectures: ['amd64', 'arm64'], rolePacks: ['b.yaml', 'b-arm.yaml'], roles: ['py-3.11'] })
  t.match(lock.items, [
    { kind: 'role', name: 'py', version: '3.11.2', variant: undefined, blobs: [{ name: 'py-3.11.2.yaml' }], source: 'pkg:generic/drydock/py@3.11.2' },
    { kind: 'role', name: 'py', version: '3.11.2', variant: 'arm64', blobs: [{ name: 'py-3.11.2-arm64.yaml' }], source: 'pkg:generic/drydock/py@3.11.2?arch=arm64' },
  ])
})
