import t, { type Test } from 'tap'
import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { FOUND_ID, openTestAppliance, PASSWORD } from '../api/appliance.ts'
import { runDrydock, type Run } from './run-drydock.ts'

const folder = t.testdir()
const appliance = await openTestAppliance(join(folder, 'data'))
t.teardown(() => appliance.close())
const { url, pki } = appliance

const credentials = (user: string) => join(folder, `${user}.json`)
const as = (user: string, ...words: string[]): Promise<Run> => runDrydock(words, { env: { DRYDOCK_CREDENTIALS: credentials(user) } })
const login = (user: string, env: Record<string, string>, ...words: string[]) => runDrydock(['login', url, '--user', user, ...words], { env: { DRYDOCK_CREDENTIALS: credentials(user), ...env } })

// Every step starts processes, and the machine may be busy.
t.setTimeout(280_000)
const step = (name: string, work: (t: Test) => Promise<void>) => t.test(name, { timeout: 120_000 }, work)

await step('login believes only the CA that was named, and keeps a token that nobody else can read', async t => {
  t.match(await login('operator', { DRYDOCK_PASSWORD: PASSWORD }), { code: 3, err: /DD-CLI-006/ }, 'nothing is known yet')
  const wrong = await login('operator', { DRYDOCK_PASSWORD: PASSWORD }, '--ca-sha256', '0'.repeat(64))
  t.match(wrong, { code: 3, err: /^refused: expected the CA 0{64}, found [0-9a-f]{64}\ndo: .*somebody may stand in between/ })
  t.match(await login('operator', { DRYDOCK_PASSWORD: 'wrong' }, '--ca-sha256', pki.caSha256), { code: 3, err: /DD-IDENT-001/ })
  t.match(await login('operator', {}, '--ca-sha256', pki.caSha256), { code: 2, err: /DD-CLI-008/ }, 'a pipe cannot be asked')
  const right = await login('operator', { DRYDOCK_PASSWORD: PASSWORD }, '--ca-sha256', pki.caSha256.replace(/..(?=.)/g, '$&:').toUpperCase())
  t.match(right, { code: 0, out: /signed in to https:\/\/127\.0\.0\.1:\d+ \(site-a\) as operator, operator/ })
  t.equal(statSync(credentials('operator')).mode & 0o777, 0o600)
  t.notMatch(readFileSync(credentials('operator'), 'utf8'), PASSWORD)
  t.match(await login('operator', { DRYDOCK_PASSWORD: PASSWORD }), { code: 0 }, 'the second time the CA is known')
  writeFileSync(join(folder, 'password'), `${PASSWORD}\n`)
  for (const user of ['approver', 'admin', 'viewer']) t.match(await login(user, {}, '--ca-sha256', pki.caSha256, '--password-file', join(folder, 'password')), { code: 0 })
})

await step('a one-time password is changed at the first login', async t => {
  const made = await as('admin', 'user', 'add', 'ana', '--role', 'viewer', '--json')
  const oneTime = String(made.records()[0]?.['oneTimePassword'])
  t.match(await login('ana', { DRYDOCK_PASSWORD: oneTime, DRYDOCK_NEW_PASSWORD: 'short' }, '--ca-sha256', pki.caSha256), { code: 2, err: /DD-IDENT-006/ })
  t.match(await login('ana', { DRYDOCK_PASSWORD: oneTime, DRYDOCK_NEW_PASSWORD: 'a password of her own' }, '--ca-sha256', pki.caSha256), { code: 0 })
  t.match(await as('ana', 'pool', 'list'), { code: 0, out: /linux-perf-ci/ })
  t.match(await as('ana', 'pool', 'pause', 'linux-perf-ci', '--reason', 'x'), { code: 3, err: /expected the role operator, found viewer/ })
  t.match(await as('admin', 'user', 'remove', 'ana'), { code: 0 })
  t.match(await as('ana', 'pool', 'list'), { code: 3, err: /DD-IDENT-003/ }, 'a removed user is out at once')
})

await step('import run shows the preflight and stops; --yes goes on until an approver is needed', async t => {
  const bundle = join(folder, 'site-a-0008.v1-of-1.drydock')
  writeFileSync(bundle, Buffer.alloc(2 * 1024 * 1024, 1))
  const stopped = await as('operator', 'import', 'run', bundle)
  t.match(stopped, { code: 4, out: /stopped here, nothing was taken in: drydock import proceed site-a-8/ })
  const lines = stopped.out.split('\n')
  t.same(lines.slice(0, 8), [
    'site-a, sequence 7 (last here: 6), made 2026-11-18, 1.9 GiB in 1 volume',
    'signed by  Ana Ruiz (release) 9F3C…A1, Jon Berg (release) 77D0…0C    2 of 2 needed',
    'adds       npm 212 · pypi 14 · deb 37 · oci 2 · files 1              1.9 GiB new, 3.1 GiB already here',
    'changes    numpy 1.25.2 → 1.26.4 (pypi)',
    'removes    nothing (removal is by garbage collection)',
    'findings   1 install script: esbuild 0.21.5 (claimed by the sender, checked again before approval)',
    'affects    no pool until it is applied; linux-perf-ci can move to numpy-1.26.4',
    'needs      about 40 s, 1.9 of 61 GiB free',
  ])
  t.match(stopped.err, /send .* of 2\.0 MiB/)
  t.ok(appliance.uploads.at(-1)?.equals(readFileSync(bundle)))
  const yes = await as('operator', 'import', 'run', bundle, '--yes')
  t.match(yes, { code: 4, out: /waits for an approver other than operator: drydock import approve site-a-8/ })
  t.match(await as('operator', 'import', 'run', join(folder, 'missing.drydock')), { code: 2, err: /expected a bundle at .*missing\.drydock, found none\ndo: .* holds site-a-0008\.v1-of-1\.drydock; for one on the appliance itself add --on-appliance/ })
  t.match(await as('operator', 'import', 'run', folder), { code: 2, err: /found something that is no plain file\ndo: it holds site-a-0008\.v1-of-1\.drydock: name the volumes of one bundle/ })
})

await step('scanner list shows who looks at what comes in, and what their last look through the store found', async t => {
  t.match(await as('viewer', 'scanner', 'list'), { code: 0, out: /clamav +ready +1\.4\.6 +20261118\.0712 +3 days +2026-11-18 11:05:00 +20261118\.0712 +12003 +1$/m })
})

await step('scanner rescan looks through the store and says what was found, in what, who brought it, and how it is withdrawn', async t => {
  t.match(await as('viewer', 'scanner', 'rescan'), { code: 3, err: /expected the role operator, found viewer/ })
  const { code, out } = await as('operator', 'scanner', 'rescan')
  t.equal(code, 0)
  t.same(out.trimEnd().split('\n'), [
    'goes on behind the 4000 of 12001 files that the one of 2026-11-18 11:00:00 UTC has done with the same definitions; all of them again: cancel it, then drydock scanner rescan --anew',
    'clamav 1.4.6: 12003 files of generation 2, 1 finding',
    'found      clamav found Evil.Miner in left-pad 1.3.0 (left-pad-1.3.0.tgz)',
    'item       npm:left-pad@1.3.0',
    `digest     sha256:${'a'.repeat(64)}`,
    'brought by site-a 7',
    'found at   2026-11-18 11:00:00 UTC',
    `do         on the connected side: drydock recall new --id found-1 --digest sha256:${'a'.repeat(64)} --reason 'clamav found Evil.Miner' --out found-1.yaml`,
    `or         if it is none: drydock dismissal new ${FOUND_ID} --reason …`,
  ])
  t.match(await as('operator', 'scanner', 'rescan', '--no-wait'), { code: 0, out: /under way: drydock operation show [0-9a-f-]{36}/ })
  t.notMatch((await as('operator', 'scanner', 'rescan', '--anew')).out, /goes on/)
  t.match((await as('viewer', 'scanner', 'findings', '--json')).records(), [{ items: ['npm:left-pad@1.3.0'], withdrawn: null, broughtBy: [{ sequence: 7 }] }])
})

await step('a finding that is none is dismissed by two people, is still listed, and can be taken back', async t => {
  t.match(await as('operator', 'dismissal', 'new', FOUND_ID), { code: 2, err: /--reason/ })
  t.match(await as('operator', 'dismissal', 'new', 'abc', '--reason', 'ours'), { code: 2, err: /finding/ })
  t.match(await as('operator', 'dismissal', 'new', '0123456789abcdef0123456789abcdef', '--reason', 'ours'), { code: 1, err: /expected the id of a finding that stands[^]*DD-IMPORT-041/ })
  t.match(await as('approver', 'dismissal', 'new', FOUND_ID, '--reason', 'ours'), { code: 3, err: /expected the role operator, found approver/ })
  t.match(await as('operator', 'dismissal', 'new', FOUND_ID, '--reason', 'mined by ourselves'), { code: 4, out: new RegExp(`waits for an approver other than operator \\(0 of 1\\): drydock dismissal approve ${FOUND_ID}`) })
  t.match(await as('operator', 'dismissal', 'approve', FOUND_ID), { code: 3, err: /expected the role approver/ })
  t.match(await as('approver', 'dismissal', 'approve', FOUND_ID), { code: 0, out: /dismissed: it alarms no more/ })
  const { out } = await as('viewer', 'scanner', 'findings')
  t.match(out, /^dismissed +clamav found Evil\.Miner in left-pad 1\.3\.0/m)
  t.match(out, /^claimed +a false alarm by operator: mined by ourselves\nagreed +approver$/m)
  t.match(await as('viewer', 'dismissal', 'list'), { code: 0, out: /dismissed +clamav +Evil\.Miner +npm:left-pad@1\.3\.0 +operator +approver .* mined by ourselves$/m })
  t.match(await as('operator', 'dismissal', 'end', FOUND_ID, '--reason', 'not ours'), { code: 0, out: /it alarms as before/ })
  t.match(await as('approver', 'dismissal', 'reject', FOUND_ID, '--reason', 'no'), { code: 2, err: /DD-IMPORT-042/ })
  t.match((await as('viewer', 'dismissal', 'list', '--json')).records(), [{ state: 'ended', closed: { by: 'operator', reason: 'not ours' } }])
})

await step('who may not bring a bundle is told before it has been sent', async t => {
  const large = join(folder, 'large.drydock')
  writeFileSync(large, '')
  truncateSync(large, 1024 ** 3)
  const run = await as('viewer', 'import', 'run', large)
  t.match(run, { code: 3, err: /expected the role operator, found viewer/ })
  t.notMatch(run.err, '1.0 GiB of 1.0 GiB')
})

await step('the one who brought it cannot approve it, another can, and the receipt is written out', async t => {
  t.match(await as('operator', 'import', 'approve', '7', '--no-wait'), { code: 3, err: /expected the role approver/ })
  t.match(await as('approver', 'import', 'approve', '7', '--no-wait'), { code: 0, out: /approved by approver \(1 of 1\)/ })
  t.match(await as('viewer', 'import', 'list'), { code: 0, out: /site-a-7\s+imported/ })
  t.match(await as('viewer', 'import', 'show', '7'), { code: 0, out: /served {5}since generation 3/ })
  t.match(await as('viewer', 'receipt', 'export', '7', folder), { code: 0 })
  t.same(JSON.parse(readFileSync(join(folder, 'receipt-7.json'), 'utf8')), { sequence: 7 })
  t.match(readFileSync(join(folder, 'receipt-7.json.asc'), 'utf8'), /BEGIN PGP SIGNATURE/)
})

await step('the seed\'s spelling works: update --roles, diff, apply with its events, history, rollback', async t => {
  const update = await as('operator', 'pool', 'update', 'linux-perf-ci', '--roles=python-3.11,numpy-1.26.0', '-m', 'numpy 1.26')
  t.equal(update.out, 'revision 12 of linux-perf-ci (was 11): python 3.10 → 3.11, numpy 1.25.2 → 1.26.0\nnot applied yet: drydock pool diff linux-perf-ci · drydock pool apply linux-perf-ci\n')
  t.match(await as('viewer', 'pool', 'diff', 'linux-perf-ci'), { code: 0, out: /linux-perf-ci: revision 11 → 12\nrole {7}numpy 1\.25\.2 → 1\.26\.0\n.*\nlayers {5}base same · numpy-1\.26\.0 new\nreplaces {3}2 nodes/ })
  const apply = await as('operator', 'pool', 'apply', 'linux-perf-ci')
  t.match(apply, { code: 0, out: /^\d\d:\d\d:\d\d spec\.update {3}pool=linux-perf-ci diff=/ })
  t.match((await as('operator', 'pool', 'apply', 'linux-perf-ci', '--json')).records()[0], { type: 'spec.update', subject: 'pool:linux-perf-ci' })
  t.match(await as('viewer', 'pool', 'history', 'linux-perf-ci', '--columns', 'revision,author'), { code: 0, out: 'REVISION  AUTHOR\n       1  ana\n       2  ana\n' })
  t.match(await as('operator', 'pool', 'rollback', 'linux-perf-ci', '--to', '11'), { code: 0 })
  t.match(await as('viewer', 'pool', 'status', 'linux-perf-ci'), { code: 0, out: /linux-perf-ci: healthy, 2 of 2 ready/ })
})

await step('Ctrl-C leaves a rollout running and says how to look at it', async t => {
  const run = await runDrydock(['pool', 'apply', 'linux-perf-ci'], { env: { DRYDOCK_CREDENTIALS: credentials('operator') }, interruptWhen: /spec\.update/ })
  t.match(run, { code: 130, err: /drydock pool status linux-perf-ci --watch/ })
  t.notOk([...appliance.operations.values()].some(operation => operation.state === 'cancelled'))
})

await step('a pool file is checked where it lies, and a pool is made and deleted by name', async t => {
  const document = { ...appliance.pools.get('linux-perf-ci')!.document, metadata: { name: 'second' } }
  writeFileSync(join(folder, 'bad.yaml'), JSON.stringify({ ...document, spec: { ...document.spec, sise: 3 } }))
  t.match(await as('operator', 'pool', 'create', join(folder, 'bad.yaml')), { code: 2, err: /^refused: expected only known fields in .*bad\.yaml spec, found "sise"\ndo: .*size.*DD-CORE-009\n$/ })
  writeFileSync(join(folder, 'broken.yaml'), 'a: [1\nb: 2')
  t.match(await as('operator', 'pool', 'create', join(folder, 'broken.yaml')), { code: 2, err: /expected YAML in .*broken\.yaml, found a mistake at line 2/ })
  const created = await runDrydock(['pool', 'create', '-', '-m', 'first'], { input: JSON.stringify(document), env: { DRYDOCK_CREDENTIALS: credentials('operator') } })
  t.match(created, { code: 0, out: /^revision 1 of second\n/ })
  t.match(await as('operator', 'pool', 'delete', 'second'), { code: 2, err: /expected the name second as confirmation .*DD-CLI-002/s })
  t.match(await as('operator', 'pool', 'delete', 'second', '--confirm', 'second', '--no-wait'), { code: 0 })
})

await step('every list filters, sorts and picks columns, and --json gives whole records', async t => {
  t.equal((await as('viewer', 'node', 'list', '--columns', 'name,phase', '--sort', '-name')).out, 'NAME   PHASE\nlin-2  healthy\nlin-1  healthy\n')
  t.equal((await as('viewer', 'node', 'list', '--columns', 'name', '--filter', 'name=lin-2')).out, 'NAME\nlin-2\n')
  t.match((await as('viewer', 'node', 'list', '--json', '--filter', 'lin-1')).records(), [{ name: 'lin-1', bootSeconds: 3.9 }])
  t.match(await as('viewer', 'node', 'list', '--sort', 'phse'), { code: 2, err: /did you mean phase\?/ })
  for (const words of ['image list', 'hypervisor list', 'ci list', 'generation list', 'mirror search numpy', 'token list', 'audit list', 'events', 'operation list', 'receipt list', 'import list']) {
    t.match(await as('viewer', ...words.split(' ')), { code: 0, err: '' }, words)
  }
  t.match(await as('viewer', 'node', 'diff', 'lin-1', 'lin-2'), { code: 0, out: /package vim +9 → –/ })
  t.match(await as('viewer', 'image', 'show', 'aaaaaa'), { code: 0, out: /verity b{16}…/ })
  t.match(await as('admin', 'user', 'list'), { code: 0, out: /approver +approver +own/ })
})

await step('what a guest prints cannot move the cursor', async t => {
  const { out } = await as('viewer', 'node', 'console', 'lin-1')
  t.equal(out.split('\n')[0], 'lin-1 booted\\u001b[31m')
})

await step('a token for a program does no more than it was made for', async t => {
  const made = (await as('operator', 'token', 'new', 'ci job', '--role', 'viewer', '--hours', '1', '--json')).records()[0]!
  t.match(made, { role: 'viewer', user: 'operator' })
  t.match(await as('operator', 'token', 'new', 'x', '--role', 'admin'), { code: 3, err: /DD-IDENT-004/ })
  t.match(await as('operator', 'token', 'revoke', String(made['id'])), { code: 0 })
  t.match(await as('operator', 'token', 'revoke', String(made['id'])), { code: 1, err: /DD-IDENT-008/ })
})

await step('the audit log goes out as a file', async t => {
  const file = join(folder, 'audit.ndjson')
  t.match(await as('viewer', 'audit', 'export', file), { code: 0, out: /audit verify/ })
  t.match(readFileSync(file, 'utf8'), /"action":"GET \/api\/v1\/audit\/export"/)
})

await step('logout ends the token on the appliance, and what is not there exits 5', async t => {
  const token = (JSON.parse(readFileSync(credentials('viewer'), 'utf8')) as { appliances: { token: string }[] }).appliances[0]!.token
  t.match(await as('viewer', 'logout'), { code: 0 })
  t.equal(appliance.identity.authenticate(token), undefined)
  t.match(await as('viewer', 'pool', 'list'), { code: 2, err: /DD-CLI-007/ })
  const gone = JSON.parse(readFileSync(credentials('operator'), 'utf8')) as { current: string; appliances: { url: string }[] }
  gone.current = gone.appliances[0]!.url = 'https://127.0.0.1:1'
  writeFileSync(credentials('nobody'), JSON.stringify(gone))
  t.match(await as('nobody', 'pool', 'list'), { code: 5, err: /^failed: expected an answer from the appliance at https:\/\/127\.0\.0\.1:1, found none \(.*\)\ndo: .*DD-CLI-005\n$/ })
})
