import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { evaluateMarkers, findPip } from '../../../bundles/collect/pypi/pip.ts'
import { manylinux, type PythonTarget } from '../../../bundles/collect/pypi/targets.ts'
import { readUvLock, uvPins } from '../../../bundles/collect/pypi/uv-lock.ts'
import { collectFault, runCollect } from './support/run-collect.ts'

const LOCKS = join(import.meta.dirname, 'locks/uv')
const signal = new AbortController().signal
const target = (python: string, platforms: readonly string[]): PythonTarget => ({ python, platforms, implementation: 'cp', abis: [] })
const package_ = (name: string, source: string, more = '') => `[[package]]\nname = "${name}"\nversion = "1.0"\nsource = ${source}\n${more}`
const ROOT = package_('demo', '{ virtual = "." }', 'dependencies = [{ name = "thing" }]\n')

t.setTimeout(120_000)

await t.test('markers are those of the target, not of the Python that runs here', async t => {
  const pip = await findPip(process.env, signal)
  const markers = ["sys_platform == 'win32'", "platform_machine == 'aarch64'", "python_version < '3.10'", "platform_python_implementation == 'PyPy'"]
  const on = async (where: PythonTarget) => [...(await evaluateMarkers(pip, where, markers, signal)).values()]
  t.strictSame(await on(target('3.11', manylinux('amd64'))), [false, false, false, false])
  t.strictSame(await on(target('3.9', manylinux('arm64'))), [false, true, true, false])
  t.strictSame(await on({ ...target('3.13', ['win_amd64']), implementation: 'pp' }), [true, false, false, true])
})

await t.test('a uv.lock gives what its markers let through, with every extra and group', async t => {
  const lock = readUvLock(await readFile(join(LOCKS, 'uv.lock'), 'utf8'), 'uv.lock')
  const pip = await findPip(process.env, signal)
  const pins = async (where: PythonTarget) => uvPins(lock, await evaluateMarkers(pip, where, lock.markers, signal)).map(pin => pin.name).toSorted((a, b) => (a < b ? -1 : 1))
  t.strictSame(await pins(target('3.11', manylinux('amd64'))), ['idna', 'iniconfig', 'markupsafe', 'six', 'toml'])
  t.strictSame(await pins(target('3.11', ['win_amd64'])), ['colorama', 'idna', 'iniconfig', 'markupsafe', 'six', 'toml'])
})

await t.test('what does not come from an index, or has no wheel, is refused and named', async t => {
  const refused = (text: string, message: RegExp) => t.throws(() => uvPins(readUvLock(`version = 1\n${text}`, 'uv.lock'), new Map()), { code: 'DD-COLLECT-017', message })
  refused(`${ROOT}${package_('thing', '{ git = "https://example.invalid/thing?rev=1#1" }')}`, /thing.*git.*example\.invalid/)
  refused(`${ROOT}${package_('thing', '{ directory = "../thing" }')}`, /thing.*directory.*\.\.\/thing/)
  refused(`${ROOT}${package_('thing', '{ url = "https://example.invalid/thing.whl" }')}`, /thing.*url/)
  refused(`${ROOT}${package_('thing', '{ registry = "https://example.invalid" }', 'sdist = { url = "https://example.invalid/thing.tar.gz", hash = "sha256:00" }\n')}`, /thing 1\.0.*source distribution only/)
  t.throws(() => readUvLock('version = 2\n', 'uv.lock'), { code: 'DD-COLLECT-017' })
  t.throws(() => readUvLock('version = ', 'uv.lock'), { code: 'DD-COLLECT-017' })
  t.match(await collectFault(t.testdir({ web: {} }), { pypi: { projects: ['web'] } }), { code: 'DD-COLLECT-017', hint: /uv lock/ })
})

await t.test('a uv.lock for two Pythons and two machines: one wheel each, all of them in the lock and of the index of this machine', async t => {
  const folder = t.testdir()
  await copyFile(join(LOCKS, 'uv.lock'), join(folder, 'uv.lock'))
  const { lock } = await runCollect(folder, { pypi: { projects: ['.'], targets: [{ python: '3.11', arch: 'amd64' }, { python: '3.12', arch: 'arm64' }] } })
  const markupsafe = lock.items.find(item => item.name === 'markupsafe')!
  t.strictSame(markupsafe.blobs.map(blob => blob.name).filter(name => name.endsWith('.whl')).map(name => /(cp\d+-cp\d+)-.*_(x86_64|aarch64)\.whl/.exec(name)?.slice(1)), [['cp311-cp311', 'x86_64'], ['cp312-cp312', 'aarch64']])
  const pinned = await readFile(join(LOCKS, 'uv.lock'), 'utf8')
  for (const blob of lock.items.flatMap(item => item.blobs).filter(({ name }) => name.endsWith('.whl'))) t.ok(pinned.includes(blob.digest), blob.name)
  t.match(lock.items.find(item => item.name === 'iniconfig'), { licences: ['MIT'] })
  t.match(markupsafe.licenceClaims, [/^Copyright 2010 Pallets/, /^License :: OSI Approved :: BSD License$/], 'a text is a claim')
})

await t.test('a uv.lock with another hash than the index gives is refused', async t => {
  const folder = t.testdir()
  const text = await readFile(join(LOCKS, 'uv.lock'), 'utf8')
  const broken = text.replace(/(six-1\.17\.0-py2\.py3-none-any\.whl", hash = "sha256:)4/, '$15')
  t.not(broken, text)
  await writeFile(join(folder, 'uv.lock'), broken)
  t.match(await collectFault(folder, { pypi: { projects: ['uv.lock'] } }), { code: 'DD-COLLECT-004', message: /six/ })
})

await t.test('what pip-compile wrote is checked by its hashes, for another machine too', async t => {
  const folder = t.testdir()
  await copyFile(join(LOCKS, 'requirements.txt'), join(folder, 'requirements.txt'))
  const { lock } = await runCollect(folder, { architectures: ['arm64'], pypi: { requirementFiles: ['requirements.txt'] } })
  t.strictSame(lock.items.map(item => item.name), ['markupsafe', 'six'])
  t.match(lock.items[0]!.blobs[0]!.name, /aarch64/)
})
