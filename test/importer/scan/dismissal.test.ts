import { rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { rescanWaits } from '../../../appliance/api/rescan-waits.ts'
import { digestOf } from '../../../appliance/core/digest.ts'
import type { RescanView, StandingFinding } from '../../../appliance/model/rescan.ts'
import { DISMISSALS, dismissalIn } from '../../../appliance/operations/dismissals.ts'
import type { ImportRecord } from '../../../bundles/format/import-record.ts'
import { bundleOf, person, trustOf, type Person } from '../../support/bundles.ts'
import { definitionsItem } from '../../support/eicar.ts'
import { openSite, type Site, type SiteOptions } from '../../support/import-site.ts'

t.setTimeout(180_000)

const HOUR = 3_600_000
const daysAgo = (days: number): string => `${new Date(Date.now() - days * 24 * HOUR - HOUR).toISOString().slice(0, 19)}Z`
const people = [await person('Ana')]
const [ana] = people as [Person]

type T = Parameters<typeof openSite>[0] & { testdir(): string }
const siteOf = async (t: T, more: Partial<SiteOptions> = {}): Promise<Site> => await openSite(t, { trust: trustOf(people), scan: { clamav: 'auto' }, ...more })

/** Signatures over bytes wherever they stand, made by ourselves. */
const signatures = (of: Record<string, string>): Record<string, string> => ({ 'own.ndb': Object.entries(of).map(([name, bytes]) => `${name}:0:*:${Buffer.from(bytes).toString('hex')}\n`).join('') })
/** As clamscan calls a signature that is not its maker's. */
const WRONG = 'Wrong.Alarm.UNOFFICIAL'
const TOOL = 'our own flashing tool, with an implant in its name\n'

/** As far as it goes: approved, or stopped by what a scanner found. */
async function bring(site: Site, sequence: number, files: Record<string, string>): Promise<ImportRecord> {
  const { record } = await site.submit((await bundleOf({ folder: join(site.folder, `made-${sequence}`), files, signers: [ana.signer], sequence })).file)
  await site.imports.proceed(record.id, 'olga')
  await site.operations.settled(record.operation)
  if (site.imports.get(record.id).state === 'awaiting-approval') await site.imports.approve(record.id, 'anton')
  await site.operations.settled(record.operation)
  return site.imports.get(record.id)
}

async function bringDefinitions(site: Site, sequence: number, of: Record<string, string>, built: string): Promise<void> {
  const folder = join(site.folder, `made-${sequence}`)
  const { file } = await bundleOf({ folder, items: [definitionsItem(join(folder, 'blobs'), signatures(of), built)], signers: [ana.signer], sequence })
  await site.importBundle(file)
}

let requests = 0
async function rescan(site: Site): Promise<RescanView> {
  const { id } = await site.rescans.start({ actor: 'olga', idempotencyKey: `rescan-${++requests}` })
  await site.operations.settled(id)
  return site.rescans.list().find(each => each.id === id)!
}

/** A site that serves the tool, which a scanner takes for something bad. */
async function alarmed(t: T, more: Partial<SiteOptions> = {}): Promise<{ site: Site; finding: StandingFinding & { id: string } }> {
  const site = await siteOf(t, more)
  await bring(site, 1, { tool: TOOL })
  await bringDefinitions(site, 2, { 'Wrong.Alarm': 'flashing tool' }, daysAgo(5))
  await rescan(site)
  const [finding] = site.rescans.findings()
  return { site, finding: { ...finding!, id: finding!.id ?? '' } }
}

const told = (site: Site): unknown[] => site.events().filter(({ type }) => type === 'rescan.found').map(({ fields }) => fields['found'])
const waiting = (site: Site) => rescanWaits({ rescans: site.rescans })

await t.test('one person says so, another one agrees, both stand in the audit log; then it alarms no more and is still listed; taken back it alarms again', async t => {
  const { site, finding } = await alarmed(t)
  t.match(finding, { id: /^[0-9a-f]{32}$/, what: WRONG, digest: digestOf(TOOL), items: ['file:tool@1'], dismissal: null })
  t.match(await site.dismissals.claim(finding.id, 'built here, from our own source', 'olga'), { id: finding.id, state: 'waiting', by: 'olga', approvals: [], approvalsNeeded: 1 })
  t.match(site.rescans.findings(), [{ dismissal: { state: 'waiting' }, recall: /^drydock recall new/ }], 'until somebody agrees it stands')
  t.match(waiting(site), [{ text: /olga says that it is a false alarm \(built here, from our own source\): it waits for an approver \(0 of 1\)$/, hint: `drydock dismissal approve ${finding.id}` }])
  await t.rejects(site.dismissals.approve(finding.id, 'olga'), { code: 'DD-IMPORT-043', message: /other than olga/ })
  await t.rejects(site.dismissals.claim(finding.id, 'again', 'oskar'), { code: 'DD-IMPORT-042', message: /found \S+ waiting, claimed by olga: built here/ })
  t.match(await site.dismissals.approve(finding.id, 'anton'), { state: 'dismissed', approvals: [{ user: 'anton' }] })
  t.match(site.rescans.findings(), [{ what: WRONG, severity: 'blocker', dismissal: { state: 'dismissed', reason: 'built here, from our own source' }, recall: null }])
  t.same(waiting(site), [])
  t.match(site.audited.filter(({ action }) => action.startsWith('dismissal.')), [
    { actor: 'olga', action: 'dismissal.claimed', outcome: 'allowed', fields: { scanner: 'clamav', found: WRONG, digest: digestOf(TOOL), reason: /built here/, items: 'file:tool@1' } },
    { actor: 'anton', action: 'dismissal.dismissed', fields: { claimedBy: 'olga', agreed: 'anton', digest: digestOf(TOOL) } },
  ])

  const before = told(site).length
  t.match(await rescan(site), { state: 'succeeded', scans: [{ findings: 1 }], findings: [{ what: WRONG }] }, 'it is found, and written down')
  t.equal(told(site).length, before, 'and nobody is told')
  t.match(site.audited.at(-1), { action: 'scanner.rescan', fields: { findings: 0 } })
  t.equal(site.audited.filter(({ action }) => action === 'scanner.found').length, 1)
  t.same(waiting(site), [])

  t.match(await site.dismissals.end(finding.id, 'the source was not ours', 'olga'), { state: 'ended', closed: { by: 'olga', reason: 'the source was not ours' } })
  t.match(site.rescans.findings(), [{ dismissal: { state: 'ended' }, recall: /^drydock recall new/ }])
  t.equal(waiting(site).length, 1)
  await rescan(site)
  t.equal(told(site).length, before + 1)
  await t.rejects(site.dismissals.end(finding.id, 'twice', 'olga'), { code: 'DD-IMPORT-042' })
  t.match(await site.dismissals.claim(finding.id, 'it is ours after all', 'olga'), { state: 'waiting', approvals: [], closed: null }, 'and can be claimed again, with nobody who agreed')
  t.match(await site.dismissals.reject(finding.id, 'I cannot see that', 'anton'), { state: 'rejected', closed: { by: 'anton' } })
})

await t.test('another signature in the same bytes alarms, and so does the same signature in other bytes', async t => {
  const { site, finding } = await alarmed(t)
  await site.dismissals.claim(finding.id, 'built here', 'olga')
  await site.dismissals.approve(finding.id, 'anton')
  // Both stand in one file: clamscan by itself would stop at the first.
  await bringDefinitions(site, 3, { 'Wrong.Alarm': 'flashing tool', 'Real.Implant': 'an implant' }, daysAgo(3))
  await rescan(site)
  t.same(site.rescans.findings().map(({ what, dismissal }) => [what, dismissal?.state ?? 'alarms']), [['Real.Implant.UNOFFICIAL', 'alarms'], [WRONG, 'dismissed']])
  t.same(told(site), [WRONG, 'Real.Implant.UNOFFICIAL'])
  t.match(waiting(site), [{ text: /^clamav found Real\.Implant\.UNOFFICIAL in tool 1/ }])

  const other = `${TOOL}and more\n`
  const digest = await site.store.blobs.put(other)
  await site.store.catalogue.promote({ operation: 'planted', items: [{ kind: 'file', name: 'tool', version: '2', metadata: { path: 'tool-2' }, blobs: [{ name: 'content', digest, size: other.length }], source: 'pkg:generic/tool@2' }] })
  await rescan(site)
  t.match(site.rescans.findings().filter(({ what, dismissal }) => what === WRONG && dismissal?.state !== 'dismissed'), [{ items: ['file:tool@2'], digest }])
})

await t.test('bytes that are here, lost, and brought again are not stopped by it, and the approver reads who dismissed it; others with the same signature are', async t => {
  const { site, finding } = await alarmed(t)
  t.match(await bring(site, 3, { copy: `${TOOL}changed\n` }), { state: 'quarantined', preflight: { findings: [{ severity: 'blocker', code: 'scanner-found' }] } })
  await t.rejects(site.dismissals.claim('0123456789abcdef0123456789abcdef', 'it is ours', 'olga'), { code: 'DD-IMPORT-041' }, 'what is in quarantine is no finding in the store')
  await site.imports.reject('3', 'no', 'anton')

  rmSync(site.store.blobs.blobPath(digestOf(TOOL)))
  t.match(await bring(site, 4, { tool: TOOL }), { state: 'quarantined' }, 'brought again it is scanned again')
  await site.imports.reject('4', 'no', 'anton')
  await site.dismissals.claim(finding.id, 'built here', 'olga')
  await site.dismissals.approve(finding.id, 'anton')
  t.match(await bring(site, 5, { tool: TOOL, other: 'other\n' }), { state: 'imported', scans: [{ findings: 1 }], preflight: { findings: [{ severity: 'warning', code: 'dismissed', item: 'file:tool@1', text: `clamav found ${WRONG} in tool 1 (content), dismissed as a false alarm by olga, agreed to by anton: built here` }] } })
  t.ok(site.store.blobs.has(digestOf(TOOL)))
  t.match(await bring(site, 6, { copy: `${TOOL}changed\n` }), { state: 'quarantined' })
})

await t.test('how many must agree, and whether the one who says it counts, is the policy of imports', async t => {
  const none = await alarmed(t, { policy: { approvals: 0, separate: true } })
  t.match(await none.site.dismissals.claim(none.finding.id, 'built here', 'olga'), { state: 'dismissed', approvals: [] })
  t.match(none.site.audited.at(-1), { action: 'dismissal.dismissed', actor: 'olga' })
  const two = await alarmed(t, { policy: { approvals: 2, separate: true } })
  await two.site.dismissals.claim(two.finding.id, 'built here', 'olga')
  t.match(await two.site.dismissals.approve(two.finding.id, 'anton'), { state: 'waiting', approvals: [{ user: 'anton' }] })
  await t.rejects(two.site.dismissals.approve(two.finding.id, 'anton'), { code: 'DD-IMPORT-043', message: /beside anton/ })
  t.match(await two.site.dismissals.approve(two.finding.id, 'paul'), { state: 'dismissed' })
  const alone = await alarmed(t, { policy: { approvals: 1, separate: false } })
  await alone.site.dismissals.claim(alone.finding.id, 'built here', 'olga')
  t.match(await alone.site.dismissals.approve(alone.finding.id, 'olga'), { state: 'dismissed' })
})

await t.test('two who agree in one instant both count', async t => {
  const { site, finding } = await alarmed(t, { policy: { approvals: 2, separate: true } })
  await site.dismissals.claim(finding.id, 'built here', 'olga')
  await Promise.all([site.dismissals.approve(finding.id, 'anton'), site.dismissals.approve(finding.id, 'paul')])
  t.match(site.dismissals.list(), [{ state: 'dismissed', approvals: [{ user: 'anton' }, { user: 'paul' }] }])
  t.same(site.audited.filter(({ action }) => action.startsWith('dismissal.')).map(({ action, fields }) => `${action} ${fields?.['agreed'] ?? ''}`), ['dismissal.claimed ', 'dismissal.approved anton', 'dismissal.dismissed anton, paul'], 'and the second of them is who dismissed it')
  t.same(site.events().filter(({ type }) => type.startsWith('dismissal.')).map(({ type }) => type), ['dismissal.claimed', 'dismissal.approved', 'dismissal.dismissed'])
})

await t.test('an entry is about its scanner, name and bytes, never about whatever has its id', async t => {
  const { site, finding } = await alarmed(t, { policy: { approvals: 0, separate: true } })
  const made = await site.dismissals.claim(finding.id, 'built here', 'olga')
  for (const other of [{ scanner: 'acme' }, { what: 'Another' }, { digest: digestOf('others') }]) {
    // As of two that were made to have one id.
    const store = { read: () => ({ [made.id]: { ...made, ...other } }) }
    t.equal(dismissalIn(store, made), undefined, Object.keys(other).join())
    site.plant({ ...made, ...other })
    t.match(site.rescans.findings(), [{ id: made.id, dismissal: null, recall: /^drydock recall new/ }])
  }
  t.equal(dismissalIn({ read: () => ({ [made.id]: made }) }, made), made)
})

await t.test('a scanner that is wrong without end is not dismissed without end; what was ended makes place', async t => {
  const scanner = { name: 'acme', command: ['/usr/bin/bash', '-c', `for f in $(cat /scan/list); do for k in $(seq 150); do echo "$f: Bad.$k FOUND"; done; done; exit 1`] }
  const site = await siteOf(t, { scan: { scanners: [scanner] }, policy: { approvals: 0, separate: true } })
  const blobs = await Promise.all(Array.from({ length: 7 }, async (_, k) => ({ name: `f${k}`, digest: await site.store.blobs.put(`file ${k}\n`), size: 7 })))
  await site.store.catalogue.promote({ operation: 'planted', items: blobs.map(blob => ({ kind: 'file', name: blob.name, version: '1', metadata: { path: blob.name }, blobs: [{ ...blob, name: 'content' }], source: `pkg:generic/${blob.name}@1` })) })
  const ids = new Set<string>()
  for (let round = 0; round < 8 && ids.size < DISMISSALS; round++) {
    await rescan(site)
    for (const { id, dismissal } of site.rescans.findings()) {
      if (id === null || dismissal !== null || ids.size >= DISMISSALS) continue
      await site.dismissals.claim(id, 'wrong', 'olga')
      ids.add(id)
    }
  }
  t.equal(ids.size, DISMISSALS, 'what is dismissed hides nothing that is found beside it')
  await rescan(site)
  const next = site.rescans.findings().find(({ id, dismissal }) => id !== null && dismissal === null)?.id ?? ''
  await t.rejects(site.dismissals.claim(next, 'wrong', 'olga'), { code: 'DD-IMPORT-044', message: /at most 1000 .* found 1000$/ })
  const [first] = ids
  await site.dismissals.end(first ?? '', 'enough', 'olga')
  await site.dismissals.claim(next, 'wrong', 'olga')
  t.equal(site.dismissals.list().length, DISMISSALS)
  t.notOk(site.dismissals.list().some(({ id }) => id === first))
})
