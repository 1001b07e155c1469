import { createReadStream, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { ImportRecord } from '../../../bundles/format/import-record.ts'
import { bundleOf, person, trustOf } from '../../support/bundles.ts'
import { openSite, type Site } from '../../support/import-site.ts'

t.setTimeout(60_000)

const DAY = 24 * 60 * 60 * 1000
const ana = await person('Ana')

/** A site whose one scanner gives no answer, so that every import fails after its bytes came in; the clock can be put forward. */
async function failingSite(t: Parameters<typeof openSite>[0]): Promise<{ site: Site; days: { passed: number } }> {
  const days = { passed: 0 }
  const clock = { now: () => new Date(Date.now() + days.passed * DAY) }
  return { days, site: await openSite(t, { trust: trustOf([ana]), clock, scan: { scanners: [{ name: 'acme', command: ['/usr/bin/false'] }] } }) }
}

async function failed(site: Site, operation: string): Promise<ImportRecord> {
  await site.operations.settled(operation)
  const { id } = site.imports.list().find(record => record.operation === operation)!
  await site.imports.proceed(id, 'olga')
  await site.operations.settled(operation)
  return site.imports.get(id)
}

const uploads = (site: Site): string[] => readdirSync(join(site.folder, 'staging/uploads'))

await t.test('the upload of a failed import is kept for seven days and says until when; then the import is rejected and its space is free', async t => {
  const { site, days } = await failingSite(t)
  const { file } = await bundleOf({ folder: t.testdir(), signers: [ana.signer] })
  const { id: operation } = await site.imports.submitStream(createReadStream(file), 'a.drydock', { actor: 'olga', idempotencyKey: 'one' })
  const record = await failed(site, operation)
  t.match(record, { state: 'failed', error: { code: 'DD-IMPORT-023' } })
  t.equal(Date.parse(record.uploadKeptUntil!) - Date.parse(record.updatedAt) > 6.99 * DAY, true)
  t.equal(uploads(site).length, 1)
  days.passed = 6.9
  await site.imports.expireUploads()
  t.match(site.imports.get(record.id), { state: 'failed' })
  t.equal(uploads(site).length, 1, 'it can still be resumed')
  days.passed = 7.1
  await site.imports.expireUploads()
  t.match(site.imports.get(record.id), { state: 'rejected', reason: 'nobody took it up again for 7 days: what was uploaded is removed' })
  t.same(uploads(site), [])
  await site.imports.expireUploads()
})

await t.test('what lies on media is not ours to forget', async t => {
  const { site, days } = await failingSite(t)
  const { file } = await bundleOf({ folder: t.testdir(), signers: [ana.signer] })
  const { id: operation } = site.imports.submitPath(file, { actor: 'olga', idempotencyKey: 'two' })
  const record = await failed(site, operation)
  t.match(record, { state: 'failed', uploadKeptUntil: null })
  days.passed = 100
  await site.imports.expireUploads()
  t.match(site.imports.get(record.id), { state: 'failed' })
})

await t.test('a rejected import gives its upload back at once', async t => {
  const { site } = await failingSite(t)
  const { file } = await bundleOf({ folder: t.testdir(), signers: [ana.signer] })
  const { id: operation } = await site.imports.submitStream(createReadStream(file), 'a.drydock', { actor: 'olga', idempotencyKey: 'three' })
  const record = await failed(site, operation)
  t.match(await site.imports.reject(record.id, 'no longer wanted', 'anton'), { state: 'rejected' })
  t.same(uploads(site), [])
})
