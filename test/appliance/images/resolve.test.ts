import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { canonicalJson } from '../../../bundles/format/canonical-json.ts'
import { resolve } from '../../../appliance/images/resolve.ts'
import { specDigest } from '../../../appliance/images/spec-digest.ts'
import type { Lock } from '../../../appliance/model/lock.ts'
import { SmallGeneration } from './generation.ts'

const { signal } = new AbortController()
t.setTimeout(240_000)

/** base: an Essential package, apt, a kernel metapackage; roles on top. */
async function smallGeneration(folder: string): Promise<SmallGeneration> {
  const generation = new SmallGeneration(join(folder, 'blobs'))
  await generation.deb('essential-thing', '1.0', { essential: true })
  await generation.deb('apt', '2.6.1')
  await generation.deb('linux-image-test', '6.1.1', { depends: 'linux-image-6.1.0-1-test (= 6.1.1)' })
  await generation.deb('linux-image-6.1.0-1-test', '6.1.1', { files: { 'boot/vmlinuz-6.1.0-1-test': 'kernel' } })
  await generation.deb('python3', '3.11.2-1', { files: { 'usr/bin/python3.11': 'python' } })
  await generation.deb('libfmt', '9.0')
  await generation.deb('libfmt', '9.1')
  await generation.deb('cmake', '3.25.1', { depends: 'libfmt (>= 9)', files: { 'usr/bin/cmake': 'cmake' } })
  await generation.deb('ninja', '1.11', { depends: 'libfmt' })
  await generation.wheel('numpy', '1.25.2')
  await generation.wheel('numpy', '1.26.0')
  await generation.wheel('pandas', '2.0', { requires: ['numpy>=1.26', 'six; python_version < "3.0"'] })
  generation.base(['apt'])
  generation.role('python', '3.11.2', { apt: ['python3'] })
  generation.role('numpy', '1.25.2', { pip: ['numpy==1.25.2'], requires: ['python-3.11'] })
  generation.role('numpy', '1.26.0', { pip: ['numpy==1.26.0'], requires: ['python-3.11'] })
  generation.role('pandas', '2.0', { pip: ['pandas==2.0'], requires: ['python'] })
  generation.role('cmake', '3.25.1', { apt: ['cmake'] })
  generation.role('ninja', '1.11', { apt: ['ninja'] })
  return generation
}

async function locked(generation: SmallGeneration, folder: string, roles: string[]): Promise<Lock> {
  return await resolve({ base: 'debian-12', roles }, generation.catalogue, generation.blobs, { workDir: join(folder, 'work'), signal })
}

await t.test('a spec becomes a lock: Essential, apt and the pack in the base, the concrete kernel, roles by what they add', async t => {
  const folder = t.testdir()
  const generation = await smallGeneration(folder)
  const lock = await locked(generation, folder, ['python-3.11', 'numpy-1.25.2', 'cmake', 'ninja'])
  t.same(lock.base.debs.map(deb => deb.name), ['apt', 'essential-thing'])
  t.equal(lock.base.kernel.name, 'linux-image-6.1.0-1-test')
  t.same(lock.roles.map(role => [role.role, role.debs.map(deb => `${deb.name} ${deb.version}`), role.wheels.map(wheel => wheel.name)]), [
    ['python', ['python3 3.11.2-1'], []],
    ['numpy', [], ['numpy-1.25.2-py3-none-any.whl']],
    ['cmake', ['cmake 3.25.1', 'libfmt 9.1'], []],
    ['ninja', ['ninja 1.11'], []],
  ])
  t.same(readdirSync(join(folder, 'work')), [], 'and nothing is left in the work folder')
})

await t.test('the same packages give the same lock, whatever the order and the folder in which they lie', async t => {
  const folder = t.testdir()
  const generation = await smallGeneration(folder)
  const first = await locked(generation, folder, ['python-3.11', 'numpy-1.25.2'])
  generation.items.reverse()
  const second = await locked(generation, join(folder, 'elsewhere'), ['python-3.11', 'numpy-1.25.2'])
  t.equal(canonicalJson(first), canonicalJson(second))
  t.equal(specDigest(first), specDigest(second))
})

await t.test('a wheel brings what its METADATA requires, and only wheels that are not below already', async t => {
  const folder = t.testdir()
  const generation = await smallGeneration(folder)
  const alone = await locked(generation, folder, ['python', 'pandas'])
  t.same(alone.roles[1]!.wheels.map(wheel => wheel.name), ['numpy-1.26.0-py3-none-any.whl', 'pandas-2.0-py3-none-any.whl'])
  const above = await locked(generation, folder, ['python', 'numpy-1.26.0', 'pandas'])
  t.same(above.roles[2]!.wheels.map(wheel => wheel.name), ['pandas-2.0-py3-none-any.whl'])
  await t.rejects(locked(generation, folder, ['python', 'numpy-1.25.2', 'pandas']), { code: 'DD-IMAGE-006' }, 'and versions that exclude each other are no lock')
})

await t.test('what the generation lacks is named, with what a bundle must bring', async t => {
  const folder = t.testdir()
  const generation = await smallGeneration(folder)
  generation.role('clang', '16', { apt: ['clang-16'] })
  generation.role('scipy', '1.11', { pip: ['scipy==1.11.0'], requires: ['python'] })
  generation.role('numpy', '1.27.0', { pip: ['numpy==1.27.0'], requires: ['python'] })
  await generation.deb('broken', '1', { depends: 'never-collected (>= 2)' })
  generation.role('broken', '1', { apt: ['broken'] })
  await t.rejects(locked(generation, folder, ['clang-16']), { code: 'DD-IMAGE-003', message: /role clang 16.*nothing for clang-16/, hint: /bring clang-16/ })
  await t.rejects(locked(generation, folder, ['broken']), { code: 'DD-IMAGE-003', message: /never-collected/ })
  await t.rejects(locked(generation, folder, ['python', 'scipy']), { code: 'DD-IMAGE-004', message: /scipy==1.11.0.*found none/ })
  await t.rejects(locked(generation, folder, ['python', 'numpy-1.27.0']), { code: 'DD-IMAGE-004', message: /only 1.25.2, 1.26.0/ })
  await t.rejects(locked(generation, folder, ['cmake', 'pythn']), { code: 'DD-IMAGE-001' })
})

await t.test('two roles that write one path differently are no lock; the same bytes are', async t => {
  const folder = t.testdir()
  const generation = await smallGeneration(folder)
  for (const [name, content] of Object.entries({ left: 'one', right: 'two', same: 'one' })) {
    await generation.deb(`tool-${name}`, '1', { files: { 'usr/bin/tool': content, 'usr/share/doc/tool/README': name } })
    generation.role(name, '1', { apt: [`tool-${name}`] })
  }
  await t.rejects(locked(generation, folder, ['left', 'right']), { code: 'DD-IMAGE-007', message: '/usr/bin/tool written differently by left-1 and right-1' })
  t.equal((await locked(generation, folder, ['left', 'same'])).roles.length, 2)
})

await t.test('two roles that set one variable differently are no lock', async t => {
  const folder = t.testdir()
  const generation = await smallGeneration(folder)
  generation.role('a', '1', { env: { CC: 'gcc' } })
  generation.role('b', '1', { env: { CC: 'clang' } })
  await t.rejects(locked(generation, folder, ['a', 'b']), { code: 'DD-IMAGE-006', message: /CC/ })
})

await t.test('Python packages without a Python below them are no lock', async t => {
  const folder = t.testdir()
  const generation = await smallGeneration(folder)
  generation.role('loose', '1', { pip: ['numpy==1.26.0'] })
  await t.rejects(locked(generation, folder, ['loose']), { code: 'DD-IMAGE-005' })
})
