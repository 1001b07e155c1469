import { join } from 'node:path'
import t from 'tap'
import { rescanWaits } from '../../../appliance/api/rescan-waits.ts'
import { digestOf } from '../../../appliance/core/digest.ts'
import { examine } from '../../../appliance/main/inside/doctor.ts'
import { bundleOf } from '../../support/bundles.ts'
import { recallBundle, recallOf } from '../../support/control.ts'
import { definitionsItem, EICAR, eicarDefinitions } from '../../support/eicar.ts'
import { initSite, planSite, startSite } from './site.ts'

t.setTimeout(120_000)

const DAY = 24 * 60 * 60 * 1000

await t.test('the appliance says how old its virus definitions are, and doctor says it too while it runs', async t => {
  const site = await planSite(t.testdir())
  const config = { ...site.config, scan: { ...site.config.scan, clamav: 'auto' as const } }
  await initSite(site)
  const doctorSays = async (): Promise<unknown> => (await examine(config)).find(({ check }) => check === 'virus scanner')
  t.match(await doctorSays(), { state: 'unknown', found: /no definitions came in a bundle yet/ }, 'before it has run for the first time')
  const appliance = await startSite(config)
  t.teardown(() => appliance.close())
  t.match(await appliance.services.scanners(), [{ name: 'clamav', state: 'no definitions', version: /^\d/, definitions: null, maxAgeDays: 14 }])
  t.match(await doctorSays(), { state: 'unknown', found: /no definitions came in a bundle yet/ })

  const built = `${new Date(Date.now() - 30.5 * DAY).toISOString().slice(0, 19)}Z`
  const folder = join(site.folder, 'media')
  const { file } = await bundleOf({ folder, items: [definitionsItem(join(folder, 'blobs'), eicarDefinitions(), built)], signers: site.people.map(({ signer }) => signer) })
  const { imports, operations } = appliance.services
  const { id } = imports.submitPath(file, { actor: 'ana', idempotencyKey: 'definitions' })
  const until = async (state: string): Promise<void> => {
    for (let k = 0; k < 600 && imports.get(id).state !== state; k++) await new Promise(done => setTimeout(done, 50))
    t.equal(imports.get(id).state, state, operations.get(id)?.error?.message ?? '')
  }
  await until('verified')
  await imports.proceed(id, 'ana')
  await until('awaiting-approval')
  await imports.approve(id, 'paul')
  await until('imported')
  t.match(await appliance.services.scanners(), [{ state: 'old definitions', definitions: { built, ageDays: 30 } }])
  t.match(await doctorSays(), { state: 'bad', found: /30 days old/, hint: /at most 14 days/ })
  // They have what is here looked through: the folder of this test stays until that has ended.
  for (const { id: rescan, kind } of operations.list()) for (let k = 0; k < 600 && kind === 'rescan' && operations.get(rescan)?.state !== 'succeeded'; k++) await new Promise(done => setTimeout(done, 50))
})

await t.test('what is switched off is said', async t => {
  const site = await planSite(t.testdir())
  t.match((await examine(site.config)).find(({ check }) => check === 'virus scanner'), { state: 'unknown', found: /switched off/ })
})

await t.test('definitions that are promoted have what is here looked through: the home page says what was found, who brought it, and how it is withdrawn; a recall ends it', async t => {
  const site = await planSite(t.testdir())
  const config = { ...site.config, scan: { ...site.config.scan, clamav: 'auto' as const } }
  await initSite(site)
  const appliance = await startSite(config)
  t.teardown(() => appliance.close())
  const { imports, operations, rescans, events, audit } = appliance.services
  const signers = site.people.map(({ signer }) => signer)
  const folder = join(site.folder, 'media')
  const until = async (holds: () => boolean, what: string): Promise<void> => {
    for (let k = 0; k < 600 && !holds(); k++) await new Promise(done => setTimeout(done, 50))
    t.ok(holds(), what)
  }
  const bring = async (file: string): Promise<void> => {
    const { id } = imports.submitPath(file, { actor: 'ana', idempotencyKey: file })
    await until(() => ['verified', 'awaiting-approval'].includes(imports.get(id).state), 'it is verified')
    if (imports.get(id).state === 'verified') await imports.proceed(id, 'ana')
    await until(() => imports.get(id).state === 'awaiting-approval', 'it waits')
    await imports.approve(id, 'paul')
    await until(() => imports.get(id).state === 'imported', 'it is imported')
  }
  const waiting = () => rescanWaits(appliance.services)

  await bring((await bundleOf({ folder: join(folder, 'a'), files: { 'office/invoice.com': EICAR }, signers })).file)
  t.same(rescans.list(), [], 'without definitions nobody can look')
  const built = `${new Date(Date.now() - DAY).toISOString().slice(0, 19)}Z`
  await bring((await bundleOf({ folder: join(folder, 'b'), items: [definitionsItem(join(folder, 'b/blobs'), eicarDefinitions(), built)], sequence: 2, signers })).file)
  await until(() => rescans.list()[0]?.state === 'succeeded', 'it was looked through by itself')
  t.match(rescans.list(), [{ by: 'drydock:rescan', generation: 2, findings: [{ items: ['file:office/invoice.com@1'] }, { items: ['file:office/invoice.com@1'] }] }], 'two signatures know it')
  const digest = digestOf(EICAR)
  t.match(waiting(), [{ text: /^clamav found \S+ in office\/invoice\.com 1 \(content\) and 1 more in it, brought by demo 1: it is served until a recall/, hint: new RegExp(`^drydock recall new --id found-${digest.slice(7, 15)} --digest ${digest} `), href: '/imports' }])
  t.match(events.list({ subject: 'item:file:office/invoice.com@1' }), [{ type: 'rescan.found', actor: 'drydock:rescan', fields: { digest, broughtBy: 'demo 1' } }, { type: 'rescan.found' }])
  t.match(audit.list({ limit: 100 }).filter(({ action }) => action.startsWith('scanner.')), [{ action: 'scanner.found', actor: 'drydock:rescan', outcome: 'failed', fields: { broughtBy: 'demo 1' } }, { action: 'scanner.found' }, { action: 'scanner.rescan', outcome: 'allowed' }])

  await bring((await recallBundle(join(folder, 'r'), [recallOf({ id: 'found-eicar', items: ['file:office/invoice.com@1'] })], [site.people[0]!.signer])).file)
  t.match(rescans.findings(), [{ withdrawn: 'found-eicar', recall: null }, { withdrawn: 'found-eicar' }])
  t.same(waiting(), [])
  t.equal(operations.list({ limit: 100 }).filter(({ kind }) => kind === 'rescan').length, 1, 'a recall is no reason to look again')
})

await t.test('switched off it looks only when a person asks', async t => {
  const site = await planSite(t.testdir())
  await initSite(site)
  const config = { ...site.config, scan: { ...site.config.scan, clamavRescan: 'off' as const, scanners: [{ name: 'acme', command: ['/usr/bin/true'] }] } }
  const appliance = await startSite(config)
  t.teardown(() => appliance.close())
  t.same(appliance.services.rescans.list(), [])
  await appliance.services.rescans.start({ actor: 'ana', idempotencyKey: 'asked' })
  for (let k = 0; k < 200 && appliance.services.rescans.list()[0]?.state !== 'succeeded'; k++) await new Promise(done => setTimeout(done, 50))
  t.match(appliance.services.rescans.list(), [{ state: 'succeeded', by: 'ana', blobs: { done: 0, total: 0 } }])
})

await t.test('what two people have called a false alarm is one after a restart too, and stands in their names', async t => {
  const site = await planSite(t.testdir())
  await initSite(site)
  const config = { ...site.config, scan: { ...site.config.scan, scanners: [{ name: 'acme', command: ['/usr/bin/bash', '-c', 'sed "s/$/: Odd FOUND/" /scan/list; [ ! -s /scan/list ]'] }] } }
  const first = await startSite({ ...config, scan: { ...config.scan, scanners: [] } })
  const folder = join(site.folder, 'media')
  const { imports } = first.services
  const { id } = imports.submitPath((await bundleOf({ folder, files: { 'tool.txt': 'a tool\n' }, signers: site.people.map(({ signer }) => signer) })).file, { actor: 'ana', idempotencyKey: 'tool' })
  const until = async (holds: () => boolean): Promise<void> => {
    for (let k = 0; k < 600 && !holds(); k++) await new Promise(done => setTimeout(done, 50))
  }
  await until(() => imports.get(id).state === 'verified')
  await imports.proceed(id, 'ana')
  await until(() => imports.get(id).state === 'awaiting-approval')
  await imports.approve(id, 'paul')
  await until(() => imports.get(id).state === 'imported')
  await first.close()

  const second = await startSite(config)
  const { rescans, dismissals } = second.services
  await rescans.start({ actor: 'ana', idempotencyKey: 'asked' })
  await until(() => rescans.list()[0]?.state === 'succeeded')
  const [finding] = rescans.findings()
  t.match(finding, { what: 'Odd', items: ['file:tool.txt@1'], dismissal: null })
  await dismissals.claim(finding?.id ?? '', 'every file is odd to it', 'ana')
  await dismissals.approve(finding?.id ?? '', 'paul')
  await second.close()

  const third = await startSite(config)
  t.teardown(() => third.close())
  t.match(third.services.rescans.findings(), [{ dismissal: { state: 'dismissed', by: 'ana', approvals: [{ user: 'paul' }], reason: 'every file is odd to it' } }])
  t.same(rescanWaits(third.services), [])
  t.match(third.services.audit.list({ limit: 100 }).filter(({ action }) => action.startsWith('dismissal.')), [{ actor: 'ana', action: 'dismissal.claimed' }, { actor: 'paul', action: 'dismissal.dismissed', fields: { claimedBy: 'ana', agreed: 'paul' } }])
})
