import t from 'tap'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { runProgram } from '../../appliance/core/run-program.ts'
import { writeDurably } from '../../appliance/core/durable-file.ts'
import { openDesired } from '../../appliance/state/desired-store.ts'
import { PASSWORD, RealSite } from './real-site.ts'

t.setTimeout(280_000)
const site = await RealSite.open(t)
const keys = join(site.folder, 'keys')
const text = (path: string): string => join(site.folder, path)
const fingerprintOf = async (name: string): Promise<string> => String((await site.must('ana', ['key', 'list', keys, '--json'])).records().find(record => record['name'] === name)?.['fingerprint'])

/** Another admin, for what needs two. */
const added = await site.must('admin', ['user', 'add', 'berta', '--role', 'admin', '--json'])
await site.login('berta', String(added.records()[0]?.['oneTimePassword']), PASSWORD)

const answer = async (path: string): Promise<string> => (await runProgram('curl', { args: ['--silent', '--show-error', '--cacert', join(site.data, 'pki/ca.pem'), '--write-out', '%{http_code}', `${site.url}${path}`] })).stdout.toString()

await t.test('a recall is written, packed, signed and imported; the mirror refuses with its reason, and the lists name what has it', async t => {
  await site.imports(t)
  t.match(await answer('/files/hello.txt'), /^hello\n200$/)
  t.match(await site.drydock('ana', ['recall', 'new', '--id', 'r-1', '--item', 'file:hello.txt@1', '--reason', 'says hello to strangers', '--severity', 'critical', '--replacement', 'hello 2', '--out', text('r-1.yaml')]), { code: 0, out: /r-1 \(critical\): file:hello\.txt@1/ })
  const built = await site.must('ana', ['recall', 'bundle', text('r-1.yaml'), '--site', 'site-a', '--out', site.media, '--key', site.keys.ana, '--json'])
  const file = String(built.records()[0]?.['file'])
  const run = await site.drydock('olga', ['import', 'run', file])
  t.match(run, { code: 4, out: /signed by {2}Ana Ruiz \(recall\)[^]*withdraws {2}file:hello\.txt@1\nrecall {5}r-1 \(critical\): says hello to strangers\ninstead {4}hello 2\naffects {4}file:hello\.txt@1 is here: every mirror refuses it from then on\n.*drydock import approve recall-1/ }, run.out + run.err)
  t.match(await answer('/files/hello.txt'), /200$/, 'not before it is approved')
  t.match(await site.drydock('paul', ['import', 'approve', 'recall-1']), { code: 0, out: /in force: recall r-1/ })
  t.match(await answer('/files/hello.txt'), /withdrawn by recall r-1 \(critical\): says hello to strangers; use hello 2 instead[^]*410$/)
  t.match(await answer('/g/1/files/hello.txt'), /410$/, 'in its old generation, too')
  t.match(await answer('/files/docs/second.txt'), /200$/)
  t.match(await site.drydock('vera', ['recall', 'list']), { code: 0, out: /r-1 +critical +in force/ })
  t.match(await site.drydock('vera', ['recall', 'show', 'r-1']), { code: 0, out: /here {7}file:hello\.txt@1/ })
  t.match(await site.drydock('vera', ['recall', 'show', 'r-2']), { code: 1, err: /DD-IMPORT-022/ })
  await site.down()
  await site.up()
  t.match(await answer('/files/hello.txt'), /410$/, 'after a restart')
})

await t.test('what is recalled is a blocker in the next bundle', async t => {
  const path = await site.bundle()
  t.match(await site.drydock('olga', ['import', 'run', path, '--yes']), { code: 3, err: /hello\.txt 1 was withdrawn by recall r-1[^]*DD-IMPORT-009/ })
})

await t.test('a lift gives it back, and is remembered', async t => {
  await site.must('ana', ['recall', 'new', '--id', 'r-1', '--lift', '--reason', 'a false alarm', '--out', text('lift.yaml')])
  const built = await site.must('ana', ['recall', 'bundle', text('lift.yaml'), '--out', site.media, '--key', site.keys.jon, '--json'])
  t.match(built.records()[0], { sequence: 2, site: 'site-a' })
  t.equal((await site.drydock('olga', ['import', 'run', String(built.records()[0]?.['file'])])).code, 4)
  t.match(await site.drydock('paul', ['import', 'approve', 'recall-2']), { code: 0, out: /in force: lift r-1/ })
  t.match(await answer('/files/hello.txt'), /^hello\n200$/)
  t.match(await site.drydock('vera', ['recall', 'list']), { out: /r-1 +critical +lifted/ })
})

await t.test('a new trust is made, packed, signed by both sides, and in force when two people agree; a revoked key is named with what it signed', async t => {
  for (const name of ['Mia Sand', 'Kim Oh']) await site.must('ana', ['key', 'new', '--name', name, '--out', keys])
  const jon = await fingerprintOf('Jon Berg')
  t.match(await site.drydock('ana', ['trust', 'update', site.trust, '--revoke', jon, '--out', text('trust-2.json')]), { code: 2, err: /expected at least 2 root keys for its threshold, found 1 left[^]*DD-TRUST-020/ })
  const mia = join(keys, 'mia-sand.pub')
  const run = await site.drydock('ana', ['trust', 'update', site.trust, '--add', `root=${mia}`, `release=${mia}`, `recall=${mia}`, '--revoke', jon, '--certificate', join(keys, 'jon-berg.rev'), '--out', text('trust-2.json')])
  t.match(run, { code: 0, out: /version 2 after 1\nkey +revoked +Jon Berg .*\nkey +added +Mia Sand .*\nroot +threshold 2: \+ Mia Sand, - Jon Berg/ }, run.err)
  t.match(await site.drydock('ana', ['trust', 'show', text('trust-2.json')]), { code: 0, out: /Jon Berg {2}revoked/ })
  const bundle = await site.must('ana', ['trust', 'bundle', text('trust-2.json'), '--after', site.trust, '--out', site.media, '--key', site.keys.ana, '--json'])
  const file = String(bundle.records()[0]?.['file'])
  t.match(bundle.records()[0]?.['missing'], [/1 more of the root keys in force \(Jon Berg\)/, /1 more of the new root keys \(Mia Sand\)/])
  t.match(await site.drydock('olga', ['import', 'run', file]), { code: 3, err: /expected 2 distinct root signatures/ })
  await site.must('ana', ['bundle', 'sign', file, '--key', site.keys.jon])
  t.match(await site.drydock('olga', ['import', 'run', file]), { code: 3, err: /DD-TRUST-018/ })
  await site.must('ana', ['bundle', 'sign', file, '--key', join(keys, 'mia-sand.key')])
  const shown = await site.drydock('olga', ['import', 'run', file])
  t.match(shown, { code: 4, out: /trust +version 1 → 2[^]*key +revoked: Jon Berg [^]*root +threshold 2: \+ Mia Sand, - Jon Berg[^]*waits for 2 approvers other than olga: drydock import approve trust-2/ }, shown.out + shown.err)
  t.match(await site.drydock('vera', ['trust', 'show']), { code: 0, out: /trust version 1[^]*pending +version 1 → 2, 0 of 2 approvals/ })
  t.equal((await site.drydock('paul', ['import', 'approve', 'trust-2'])).code, 0)
  t.match(await site.drydock('berta', ['import', 'approve', 'trust-2']), { code: 0, out: /in force: trust version 2/ })
  t.match(await site.drydock('vera', ['trust', 'show']), { code: 0, out: /trust version 2[^]*Jon Berg, made [0-9-]+, revoked, signed 3 bundles here/ })
  t.match(await site.drydock('vera', ['trust', 'show', '--signed-by', jon]), { code: 0, out: /trust, sequence 2[^]*recall, sequence 2[^]*stream-1, sequence 1/ })
  t.match(await site.drydock('vera', ['events']), { out: /trust\.revoked +name="Jon Berg" imports=3/ })
  t.match(await site.drydock('olga', ['import', 'run', await site.bundle()]), { code: 3, err: /DD-TRUST-007/ }, 'also beside a good signature')
})

await t.test('one admin cannot make a second one to agree with', async t => {
  const asked = await site.drydock('admin', ['clock', 'reset', '--to', new Date(Date.now() + 60_000).toISOString()])
  const id = /confirm ([0-9a-f-]{36})/.exec(asked.out)?.[1] ?? ''
  t.match(await site.drydock('berta', ['decision', 'confirm', id]), { code: 3, err: /found of berta that admin gave out account or password on [^]*do: berta counts from [^]*DD-STATE-023/ })
  t.match(await site.drydock('admin', ['user', 'list']), { out: /berta +admin +own +[-0-9]+ [0-9:]+ by admin/ })
  t.match(await site.drydock('admin', ['decision', 'withdraw', id]), { code: 0 })
})

await t.test('a data folder from a backup of before is noticed; two admins may let its trust count', async t => {
  await site.down()
  // What a restore of state/ alone would bring: the desired state of before the rotation.
  const path = join(site.data, 'state/desired.json')
  t.match(readFileSync(path, 'utf8'), /"version":2/)
  await withOldTrust(path, JSON.parse(readFileSync(site.trust, 'utf8')))
  await site.up()
  t.match(await site.drydock('vera', ['trust', 'show']), { code: 0, out: /version 2 was in force here: a backup was restored/ })
  t.match(await site.drydock('olga', ['import', 'run', await site.bundle()]), { code: 3, err: /expected trust version 2 .*found version 1 in the data folder[^]*DD-TRUST-019/ })
  const asked = await site.drydock('admin', ['trust', 'accept'])
  t.match(asked, { code: 4, out: /drydock decision confirm [0-9a-f-]{36}/ }, asked.err)
  const id = /confirm ([0-9a-f-]{36})/.exec(asked.out)?.[1] ?? ''
  t.match(await site.drydock('admin', ['decision', 'confirm', id]), { code: 3, err: /DD-STATE-020/ })
  t.match(await site.drydock('paul', ['decision', 'confirm', id]), { code: 3, err: /DD-IDENT-004/ })
  t.match(await site.drydock('berta', ['decision', 'confirm', id]), { code: 0, out: /asked for by admin: trust version 1 counts/ })
  t.match(await site.drydock('berta', ['decision', 'confirm', id]), { code: 1, err: /DD-STATE-021/ })
  t.equal((await site.drydock('olga', ['import', 'run', await site.bundle()])).code, 4, 'bundles are judged again')
})

await t.test('the floor of trusted time is set by two admins, and both are in the audit log', async t => {
  t.match(await site.drydock('vera', ['clock', 'show']), { code: 0, out: /machine .*\ntrusted .*\nfloor / })
  const now = new Date()
  const later = new Date(now.getTime() + 300_000).toISOString()
  t.match(await site.drydock('admin', ['clock', 'reset', '--to', 'yesterday']), { err: /DD-CLI-011/ })
  t.match(await site.drydock('admin', ['clock', 'reset', '--to', '1999-01-01T00:00:00Z']), { err: /expected a floor at or after this build/ })
  for (const [to, wrong] of [[later, true], [now.toISOString(), false]] as const) {
    const asked = await site.drydock('admin', ['clock', 'reset', '--to', to])
    t.equal(asked.code, 4, asked.err)
    t.match(await site.drydock('vera', ['decision', 'list']), { out: /clock\.reset/ })
    t.match(await site.drydock('berta', ['decision', 'confirm', /confirm ([0-9a-f-]{36})/.exec(asked.out)?.[1] ?? '']), { code: 0 })
    const clock = (await site.must('vera', ['clock', 'show', '--json'])).records()[0]
    t.equal(clock?.['wrong'], wrong)
    t.match(await site.drydock('olga', ['import', 'run', await site.bundle()]), wrong ? { code: 3, err: /DD-TRUST-009/ } : { code: 4 })
  }
  const audit = (await site.must('admin', ['audit', 'list', '--limit', '1000', '--json'])).records()
  t.equal(audit.filter(record => record['action'] === 'clock.reset' && JSON.stringify(record['fields']).includes('"askedBy":"admin","confirmedBy":"berta"')).length, 2)
})

await t.test('names of this site in drydock.yaml reach the importer', async t => {
  await site.down()
  const path = join(site.data, 'drydock.yaml')
  const config = parse(readFileSync(path, 'utf8')) as Record<string, unknown>
  await writeDurably(path, stringify({ ...config, policy: { internalNames: { file: ['acme-*'] } } }))
  await site.up()
  t.match(await site.drydock('olga', ['import', 'run', await site.bundle({ files: { 'acme-tools': 'theirs' } }), '--yes']), { code: 3, err: /acme-tools has a name that belongs to this site \(acme-\*\)/ })
})

/** Desired state as it was with another trust: sealed the way the store seals it. */
async function withOldTrust(path: string, trust: unknown): Promise<void> {
  const store = await openDesired({ path, reserve: { hold: async () => undefined, give: () => false, held: () => true } as never, stop: error => { throw error } })
  await store.update(draft => {
    draft.trust = trust as typeof draft.trust
    // Of a site that is older than this test: its admins have been themselves for long.
    for (const user of Object.values(draft.users)) if (user.given !== undefined) user.given.at = '2026-01-01T00:00:00.000Z'
  })
  await store.close()
}
