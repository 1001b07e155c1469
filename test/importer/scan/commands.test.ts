import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { ImportRecord } from '../../../bundles/format/import-record.ts'
import { bundleOf, person, trustOf, type Person } from '../../support/bundles.ts'
import { openSite, type Site, type SiteOptions } from '../../support/import-site.ts'

t.setTimeout(120_000)

const people = [await person('Ana')]
const [ana] = people as [Person]

type T = Parameters<typeof openSite>[0] & { testdir(): string }
type Command = NonNullable<NonNullable<SiteOptions['scan']>['scanners']>[number]

/** A site with one scanner, a shell script. */
const siteOf = async (t: T, script: string, more: Partial<Command> = {}): Promise<Site> =>
  await openSite(t, { trust: trustOf(people), scan: { scanners: [{ name: 'acme', command: ['/usr/bin/bash', '-c', script], timeoutSeconds: 60, ...more }] } })

/** One bundle of one file as far as an approver, quarantine, or a failure. */
async function scanned(site: Site, files: Record<string, string> = { 'docs/a b.txt': 'first\n' }, sequence = 1): Promise<ImportRecord> {
  const { file } = await bundleOf({ folder: join(site.folder, `made-${sequence}`), files, signers: [ana.signer], sequence })
  const { operation, record } = await site.submit(file)
  await site.imports.proceed(record.id, 'olga')
  await site.operations.settled(operation.id)
  return site.imports.get(record.id)
}

/** Whether a process with these words in its command line lives. */
const lives = (words: string): boolean => readdirSync('/proc').some(pid => {
  if (!/^\d+$/.test(pid)) return false
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').includes(words)
  } catch {
    return false
  }
})

await t.test('a scanner gets paths, lists and the keys of items, and exit 0 is clean', async t => {
  const site = await siteOf(t, `
    [ "$(cat /scan/list)" = "/scan/files/000001-content" ] || exit 9
    [ "$(cat /scan/items)" = "/scan/files/000001-content	file:docs/a b.txt@1" ] || exit 9
    [ "$(cat /scan/files/000001-content)" = first ] || exit 9
    [ "$(id -u)" = 65534 ] || exit 9`, { version: ['/usr/bin/bash', '-c', 'echo "acme 7.1"; echo more'] })
  t.match(await scanned(site), { state: 'awaiting-approval', scans: [{ scanner: 'acme', version: 'acme 7.1', files: 1, findings: 0 }], preflight: { findings: [], scanners: [{ name: 'acme' }] } })
})

await t.test('FOUND stops the import and WARNING is shown, each with the item; everything else that it prints is ignored', async t => {
  const site = await siteOf(t, `echo "/scan/files/000001-content: Bad.Thing FOUND"; echo "/scan/files/000002-content: Odd WARNING"; echo "chatter FOUND"; exit 1`)
  const record = await scanned(site, { a: 'first\n', b: 'second\n' })
  t.equal(record.state, 'quarantined')
  t.same(record.preflight!.findings.map(({ severity, code }) => `${severity} ${code}`), ['blocker scanner-found', 'warning scanner-warning'])
  t.same(record.preflight!.findings.map(({ item }) => item).toSorted(), ['file:a@1', 'file:b@1'])
})

await t.test('FOUND counts with exit 0 too, and of a file that it was not given', async t => {
  const site = await siteOf(t, 'echo "/scan/files/elsewhere: Bad FOUND"')
  t.match(await scanned(site), { state: 'quarantined', preflight: { findings: [{ severity: 'blocker', item: 'the bundle' }] } })
})

const NO_ANSWER: [what: string, script: string, says: RegExp, more?: Partial<Command>][] = [
  ['exit 1 without a finding', 'exit 1', /exit 1 without a line/],
  ['exit 2', 'echo "my licence has expired" >&2; exit 2', /exit 2/],
  ['exit 255', 'exit 255', /exit 255/],
  ['killed by a signal', 'kill -SEGV $$', /exit 139|SIGSEGV/],
  ['a program that is not there', '', /exit 127/, { command: ['/opt/nowhere/scan'] }],
  ['a scanner that hangs', 'sleep 1234567', /none within 1 seconds/, { timeoutSeconds: 1 }],
  ['a scanner that ignores being asked to end', 'trap "" TERM INT HUP; while :; do sleep 1234567; done', /none within 1 seconds/, { timeoutSeconds: 1 }],
  ['a scanner that takes more memory than it may', `exec /usr/bin/python3 -c 'x = bytearray(200_000_000)'`, /exit 1 without|exit 1/, { memoryMiB: 64 }],
]

for (const [what, script, says, more] of NO_ANSWER) {
  await t.test(`${what} is no answer: the import fails, can be resumed, and is never clean`, async t => {
    const site = await siteOf(t, script, more)
    const record = await scanned(site)
    t.match(record, { state: 'failed', error: { code: 'DD-IMPORT-023', message: says, retryable: true } })
    t.notOk(existsSync(join(site.folder, 'staging', record.id)), 'nothing stays staged')
    t.notOk(lives('1234567'), 'and no process')
    t.equal(site.store.catalogue.current().generation, 0)
  })
}

await t.test('what it started ends with it', async t => {
  const site = await siteOf(t, '(setsid sleep 7654321 >/dev/null 2>&1 &) ; sleep 7654321 & exit 0')
  t.match(await scanned(site), { state: 'awaiting-approval' })
  t.notOk(lives('7654321'))
})

await t.test('it reaches no network, writes nowhere but /tmp, sees nothing of this machine, and can take no other rights', async t => {
  const folder = t.testdir({ secret: 'nobody may read this' })
  const tries = {
    'opens a socket': `/usr/bin/python3 -c 'import socket; socket.socket()'`,
    'writes to a staged file': 'echo x >> /scan/files/000001-content',
    'removes a staged file': 'rm -f /scan/files/000001-content && ! [ -e /scan/files/000001-content ]',
    'changes the mode of a staged file': 'chmod 777 /scan/files/000001-content',
    'writes to /scan': 'echo x > /scan/list',
    'writes to /usr': 'echo x > /usr/bin/x',
    'writes to /': 'echo x > /x',
    'writes to /dev/shm': 'echo x > /dev/shm/x',
    'reads another folder': `cat ${folder}/secret`,
    'reads the password file': 'cat /etc/passwd',
    'sees processes': 'ls /proc/1',
    'makes a namespace': 'unshare -U true',
    'fills more than its /tmp': 'head -c 9000000 /dev/zero > /tmp/big',
    'keeps a capability': `/usr/bin/python3 -c 'import os; os.chroot("/tmp")'`,
  }
  const script = Object.entries(tries).map(([name, command]) => `if (${command}) >/dev/null 2>&1; then echo "/scan/files/000001-content: ${name} FOUND"; fi`).join('\n')
  const site = await siteOf(t, `${script}\nrm -f /tmp/big; echo fine > /tmp/fine || exit 9`, { scratchMiB: 8 })
  const record = await scanned(site)
  t.same(record.preflight?.findings, [])
  t.equal(record.state, 'awaiting-approval', record.error?.message ?? '')
})

await t.test('what it says again and again counts once, however much that is', async t => {
  const site = await siteOf(t, 'yes "$(printf "%s: Bad FOUND\\n%s: Odd WARNING" /scan/files/000001-content /scan/files/000001-content)" | head -c 300000000; echo; echo "/scan/files/000001-content: Last WARNING"; exit 1')
  const record = await scanned(site)
  t.same([record.state, record.preflight!.findings.map(({ text }) => text)], ['quarantined', ['acme found Bad in docs/a b.txt 1 (content)', 'acme warns of Odd in docs/a b.txt 1 (content)', 'acme warns of Last in docs/a b.txt 1 (content)']])
})

await t.test('it prints a gigabyte: it is stopped', async t => {
  const site = await siteOf(t, 'head -c 1000000000 /dev/zero')
  t.match(await scanned(site), { state: 'failed', error: { code: 'DD-IMPORT-023', message: /more than 256 MiB of output/ } })
})

await t.test('what it prints cannot move a terminal, and a flood of findings is counted', async t => {
  const site = await siteOf(t, String.raw`printf '/scan/files/000001-content: \033[2J\033[Hclean\007 FOUND\n'; for k in $(seq 1000); do echo "/scan/files/000001-content: Noise.$k WARNING"; done; exit 1`)
  const record = await scanned(site)
  t.equal(record.state, 'quarantined')
  const findings = record.preflight!.findings
  t.match(findings[0], { severity: 'blocker', text: String.raw`acme found \u001b[2J\u001b[Hclean\u0007 in docs/a b.txt 1 (content)` })
  t.equal(findings.length, 201)
  t.match(findings.at(-1), { severity: 'warning', text: 'acme said so of 801 more' })
})

await t.test('a hint of a scanner that fails cannot move a terminal either', async t => {
  const site = await siteOf(t, String.raw`printf '\033[2J\nall is fine\n' >&2; exit 3`)
  const { error } = await scanned(site)
  t.match(error?.hint, /\\u001b\[2J \| all is fine/)
  t.notMatch(error?.hint, /\p{Cc}/u)
})

await t.test('it reads folders of the site that are named, and no others', async t => {
  const folder = t.testdir({ acme: { signatures: 'Bad.Thing' }, other: { secret: 'x' } })
  const script = `[ "$(cat ${folder}/acme/signatures)" = Bad.Thing ] && ! [ -e ${folder}/other ] && ! echo x > ${folder}/acme/x`
  t.match(await scanned(await siteOf(t, script, { reads: [join(folder, 'acme')] })), { state: 'awaiting-approval' })
})

await t.test('several scanners all have their say', async t => {
  const one = (name: string, script: string): Command => ({ name, command: ['/usr/bin/bash', '-c', script] })
  const site = await openSite(t, { trust: trustOf(people), scan: { scanners: [one('first', 'exit 0'), one('second', 'echo "/scan/files/000001-content: Odd WARNING"; exit 1')] } })
  t.match(await scanned(site), { state: 'awaiting-approval', scans: [{ scanner: 'first', findings: 0 }, { scanner: 'second', findings: 1 }] })
})
