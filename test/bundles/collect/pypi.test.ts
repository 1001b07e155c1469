import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { runProgram } from '../../../appliance/core/run-program.ts'
import { requirementRounds } from '../../../bundles/collect/pypi/collect-pypi.ts'
import { refuseOtherSources, requirementLines } from '../../../bundles/collect/pypi/requirement-lines.ts'
import { wheelMetadata } from '../../../bundles/collect/pypi/wheel-metadata.ts'
import { deadUrl, startLoopback, type Loopback } from './support/loopback.ts'
import { collectFault, runCollect, type Wish } from './support/run-collect.ts'

const MAKE_WHEEL = `
import sys, zipfile
name, path = sys.argv[1], sys.argv[2]
with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as wheel:
    wheel.writestr(name + '/__init__.py', '')
    wheel.writestr(name + '-1.0.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: ' + name + '\\nVersion: 1.0\\nRequires-Python: >=3.8\\nLicense: MIT\\n' + ''.join(line + '\\n' for line in sys.argv[3:]) + '\\nLicense: not this one\\n')
    wheel.writestr(name + '-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr(name + '-1.0.dist-info/RECORD', '')
`

/** An index of our own with one wheel, and the environment in which pip uses it. */
async function index(folder: string, listed?: string, more = ''): Promise<{ server: Loopback; wheel: Buffer; environment: NodeJS.ProcessEnv }> {
  const server = await startLoopback()
  const path = join(folder, 'thing-1.0-py3-none-any.whl')
  await runProgram('/usr/bin/python3', { args: ['-c', MAKE_WHEEL, 'thing', path] })
  const wheel = await readFile(path)
  const hash = listed ?? `#sha256=${createHash('sha256').update(wheel).digest('hex')}`
  server.files.set('/simple/thing/', `<!DOCTYPE html><html><body><a href="/files/thing-1.0-py3-none-any.whl${hash}" data-requires-python="&gt;=3.8"${more}>thing-1.0-py3-none-any.whl</a></body></html>`)
  server.files.set('/files/thing-1.0-py3-none-any.whl', wheel)
  return { server, wheel, environment: { PIP_INDEX_URL: `${server.url}/simple/`, PIP_NO_CACHE_DIR: '1', PIP_RETRIES: '0', NO_PROXY: '127.0.0.1' } }
}

t.setTimeout(240_000)

await t.test('an item says which releases pip chose for what it requires: by markers of the target, and by extras that somebody asks for', async t => {
  const folder = t.testdir()
  const server = await startLoopback()
  t.teardown(() => server.close())
  for (const [name, requires] of [
    ['app', ["Lib[fast]>=1", "windows-only; sys_platform == 'win32'", "arm-only; platform_machine == 'aarch64'", "docs; extra == 'docs'", "tests; extra == 'tests'"]],
    ['lib', ["speedup; extra == 'fast'", "slow; extra == 'slow'", 'app ; extra == "fast"']],
    ['speedup', []], ['arm_only', []], ['docs', []], ['alone', []],
  ] as const) {
    const path = join(folder, `${name}-1.0-py3-none-any.whl`)
    await runProgram('/usr/bin/python3', { args: ['-c', MAKE_WHEEL, name, path, ...requires.flatMap(line => [`Requires-Dist: ${line}`, ...(/extra == .(\w+)/.exec(line)?.slice(1).map(extra => `Provides-Extra: ${extra}`) ?? [])])] })
    const wheel = await readFile(path)
    server.files.set(`/simple/${name.replace('_', '-')}/`, `<!DOCTYPE html><html><body><a href="/files/${name}-1.0-py3-none-any.whl#sha256=${createHash('sha256').update(wheel).digest('hex')}">${name}-1.0-py3-none-any.whl</a></body></html>`)
    server.files.set(`/files/${name}-1.0-py3-none-any.whl`, wheel)
  }
  const environment = { PIP_INDEX_URL: `${server.url}/simple/`, PIP_NO_CACHE_DIR: '1', PIP_RETRIES: '0', NO_PROXY: '127.0.0.1' }
  const requiresOf = async (wish: Wish) => Object.fromEntries((await runCollect(folder, wish, { environment })).lock.items.map(({ name, metadata }) => [name, metadata['requires']]))
  t.strictSame(await requiresOf({ pypi: { requirements: ['app[docs]', 'alone'] } }), { alone: [], app: ['docs==1.0', 'lib==1.0'], docs: [], lib: ['app==1.0', 'speedup==1.0'], speedup: [] })
  t.strictSame((await requiresOf({ architectures: ['amd64', 'arm64'], pypi: { requirements: ['app'] } }))['app'], ['arm-only==1.0', 'lib==1.0'], 'what is required on one of the targets is required')
})

await t.test('several pins of one name are resolved apart, everything else together', async t => {
  t.strictSame(requirementRounds(['numpy==1.25.2', 'six', 'NumPy==1.26.0', 'num.py', 'six']), [['numpy==1.25.2', 'six', 'num.py'], ['NumPy==1.26.0']])
})

await t.test('a wheel comes with its METADATA as a blob of its own', async t => {
  const folder = t.testdir()
  const { server, environment } = await index(folder)
  t.teardown(() => server.close())
  const { lock } = await runCollect(folder, { pypi: { requirements: ['thing==1.0'] } }, { environment })
  const filename = 'thing-1.0-py3-none-any.whl'
  t.match(lock.items, [{ kind: 'pypi', name: 'thing', version: '1.0', licences: ['MIT'], metadata: { files: [{ filename, requiresPython: '>=3.8', metadata: `${filename}.metadata` }] } }])
  t.strictSame(lock.items[0]!.blobs.map(blob => blob.name), [filename, `${filename}.metadata`])
  t.notMatch(JSON.stringify(lock), server.url)
})

await t.test('a wheel that changed between the resolution and the download is refused and named', async t => {
  const folder = t.testdir()
  const { server, wheel, environment } = await index(folder)
  t.teardown(() => server.close())
  let asked = 0
  server.files.set('/files/thing-1.0-py3-none-any.whl', response => {
    asked++
    response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(asked === 1 ? wheel : Buffer.concat([wheel, Buffer.from('!')]))
  })
  const fault = await collectFault(folder, { pypi: { requirements: ['thing==1.0'] } }, { environment })
  t.equal(fault.code, 'DD-COLLECT-004')
  t.match(fault.message, /thing-1\.0-py3-none-any\.whl/)
})

await t.test('a wheel with other bytes than the index says is refused', async t => {
  const folder = t.testdir()
  const { server, wheel, environment } = await index(folder)
  t.teardown(() => server.close())
  server.files.set('/files/thing-1.0-py3-none-any.whl', Buffer.concat([wheel, Buffer.from('!')]))
  const fault = await collectFault(folder, { pypi: { requirements: ['thing==1.0'] } }, { environment })
  t.equal(fault.code, 'DD-COLLECT-004')
})

await t.test('a requirements file with a wrong hash is refused', async t => {
  const folder = t.testdir()
  const { server, environment } = await index(folder)
  t.teardown(() => server.close())
  await writeFile(join(folder, 'requirements.txt'), `thing==1.0 --hash=sha256:${'0'.repeat(64)}\n`)
  const fault = await collectFault(folder, { pypi: { requirementFiles: ['requirements.txt'] } }, { environment })
  t.equal(fault.code, 'DD-COLLECT-004')
})

await t.test('a requirement that no wheel meets is named', async t => {
  const folder = t.testdir()
  const { server, environment } = await index(folder)
  t.teardown(() => server.close())
  const fault = await collectFault(folder, { pypi: { requirements: ['thing==9.9'] } }, { environment })
  t.equal(fault.code, 'DD-COLLECT-008')
  t.match(fault.message, /thing==9\.9/)
  t.equal((await collectFault(folder, { pypi: { requirements: ['no-such-thing'] } }, { environment })).code, 'DD-COLLECT-008')
})

await t.test('an index that cannot be reached is told as such, and can be tried again', async t => {
  const folder = t.testdir()
  const { server, environment } = await index(folder)
  await server.close()
  const fault = await collectFault(folder, { pypi: { requirements: ['thing==1.0'] } }, { environment: { ...environment, PIP_RETRIES: '1', PIP_INDEX_URL: `${await deadUrl()}/simple/` } })
  t.equal(fault.code, 'DD-COLLECT-005')
  t.ok(fault.retryable)
})

await t.test('credentials of the index go along to its files, and nowhere into the lock', async t => {
  const folder = t.testdir()
  const { server, environment } = await index(folder)
  t.teardown(() => server.close())
  const { lock } = await runCollect(folder, { pypi: { requirements: ['thing==1.0'] } }, { environment: { ...environment, PIP_INDEX_URL: `${server.url.replace('//', '//ana:canary@')}/simple/` } })
  const last = server.requests.findLast(request => request.path.endsWith('.whl'))
  t.equal(last?.headers.authorization, `Basic ${Buffer.from('ana:canary').toString('base64')}`)
  t.notMatch(JSON.stringify(lock), /canary/)
})

await t.test('what is no wheel is refused with its name', async t => {
  const folder = t.testdir({ 'x.whl': 'not a zip', 'short.whl': 'PK\u0005\u0006' })
  await t.rejects(wheelMetadata(join(folder, 'x.whl'), 'x.whl'), { code: 'DD-COLLECT-004' })
  await t.rejects(wheelMetadata(join(folder, 'short.whl'), 'short.whl'), { code: 'DD-COLLECT-004' })
})

await t.test('two versions of one package come from the index of this machine', async t => {
  const { lock } = await runCollect(t.testdir(), { pypi: { requirements: ['six==1.16.0', 'six==1.17.0'] } })
  t.strictSame(lock.items.map(item => `${item.name} ${item.version}`), ['six 1.16.0', 'six 1.17.0'])
})

await t.test('a yanked release that is pinned is refused with its authors\' reason, and comes marked when it is allowed', async t => {
  const folder = t.testdir()
  const { server, environment } = await index(folder, undefined, ' data-yanked="broken: loses files"')
  t.teardown(() => server.close())
  const fault = await collectFault(folder, { pypi: { requirements: ['thing==1.0'] } }, { environment })
  t.match(fault, { code: 'DD-COLLECT-018', message: /thing 1\.0 .*yanked by its authors: broken: loses files/, hint: /allowYanked/ })
  const { lock } = await runCollect(folder, { pypi: { requirements: ['thing==1.0'], allowYanked: true } }, { environment })
  t.match(lock.items[0]?.metadata, { files: [{ yanked: 'broken: loses files' }] })
})

await t.test('a file that the index replaced since the last collect is refused, though nothing in the collection has its hash', async t => {
  const folder = t.testdir()
  const { server, environment } = await index(folder)
  const wish = { pypi: { requirements: ['thing==1.0'] } }
  await runCollect(folder, wish, { environment })
  const wheel = await readFile(join(folder, 'thing-1.0-py3-none-any.whl'))
  await server.close()
  const other = await index(folder)
  t.teardown(() => other.server.close())
  // The same content packed at another time: other bytes.
  const changed = Buffer.concat([wheel, Buffer.alloc(0)])
  changed[10]! ^= 1
  const hash = createHash('sha256').update(changed).digest('hex')
  other.server.files.set('/files/thing-1.0-py3-none-any.whl', changed)
  other.server.files.set('/simple/thing/', `<!DOCTYPE html><html><body><a href="/files/thing-1.0-py3-none-any.whl#sha256=${hash}">thing-1.0-py3-none-any.whl</a></body></html>`)
  const fault = await collectFault(folder, wish, { environment: other.environment })
  t.match(fault, { code: 'DD-COLLECT-004', message: /thing-1\.0.*former lock\.json.*found [0-9a-f]{64} in the index/ })
})

await t.test('what pip would build to know what it is, is refused before pip sees it, also in a file that a file includes', async t => {
  const folder = t.testdir({
    'requirements.txt': 'thing==1.0 \\\n  --hash=sha256:00 # see https://example.invalid\n-c constraints.txt\n-r more/dev.txt\n--index-url https://example.invalid/simple\n',
    'constraints.txt': 'other<2; python_version < "4"\n',
    more: { 'dev.txt': 'pytest[extra]>=1 ; sys_platform == "linux"\n-e ../local\n' },
    local: { 'setup.py': 'import pathlib; pathlib.Path("/tmp/i-was-run").touch()\n' },
  })
  t.strictSame(await requirementLines(join(folder, 'requirements.txt')), ['thing==1.0    --hash=sha256:00', '--index-url https://example.invalid/simple', 'other<2; python_version < "4"', 'pytest[extra]>=1 ; sys_platform == "linux"', '-e ../local'])
  t.match(await collectFault(folder, { pypi: { requirementFiles: ['requirements.txt'] } }), { code: 'DD-COLLECT-017', message: /-e \.\.\/local/ })
  for (const line of ['thing @ git+https://example.invalid/thing', 'git+https://example.invalid/thing', './local', '../local', 'local/thing', 'thing-1.0.tar.gz', 'file:///tmp/x', '--editable=.', 'https://example.invalid/x.whl', 'thing@https://example.invalid/x.whl']) {
    t.throws(() => refuseOtherSources([line], 'x'), { code: 'DD-COLLECT-017' }, line)
  }
  t.doesNotThrow(() => refuseOtherSources(['a==1', 'b[c]>=1,<2; python_version < "3.8" or extra == "a@b"', 'd.e-f', '--hash=sha256:00', '-i https://example.invalid'], 'x'))
})
