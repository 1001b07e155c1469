import t from 'tap'
import { createCipheriv } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { stringify } from 'yaml'
import { readRelay } from '../../../../appliance/main/outside/relay/relay-file.ts'
import type { Outcome } from '../../../../appliance/main/outside/relay/delivery.ts'
import { outcomeOfRound } from './outcome-of-round.ts'
import type { ImportRecord } from '../../../../bundles/format/import-record.ts'
import { initSite, planSite, startSite } from '../site.ts'

/** The machine may be busy with other tests. */
t.setTimeout(240_000)

await t.test('from a change on the connected side to what is served inside, and back by a receipt to a smaller bundle', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'drydock-relay-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const site = await planSite(folder)
  const [outside, watch] = [join(folder, 'outside'), join(folder, 'watch')]
  for (const path of [join(outside, 'files'), join(outside, 'receipts'), watch]) mkdirSync(path, { recursive: true })
  site.config.watchFolders = [watch]
  await initSite(site)
  const appliance = await startSite(site.config, { media: { everyMs: 50, settleMs: 100 } })
  t.teardown(() => appliance.close())
  const { imports, signingKey, catalogue } = appliance.services

  for (const [k, { secret }] of site.people.entries()) writeFileSync(join(outside, `${k}.key`), secret, { mode: 0o600 })
  writeFileSync(join(outside, 'appliance.asc'), signingKey)
  writeFileSync(join(outside, 'collection.yaml'), stringify({ apiVersion: 'drydock/v1', kind: 'Collection', name: 'tools', files: [{ path: 'files' }] }))
  writeFileSync(join(outside, 'relay.yaml'), stringify({
    apiVersion: 'drydock/v1', kind: 'Relay', collection: 'collection.yaml', workspace: 'ws', site: 'site-a', watchFolder: watch, trust: site.trustFile, sign: { keys: ['0.key', '1.key'] },
    since: { receipts: 'receipts', applianceKey: 'appliance.asc' }, volume: '900000',
  }))
  writeFileSync(join(outside, 'files', 'large.bin'), createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16)).update(Buffer.alloc(2_000_000)))
  const round = async (): Promise<Outcome> => await outcomeOfRound({
    relay: await readRelay(join(outside, 'relay.yaml')), environment: process.env, clock: { now: () => new Date() }, signal: new AbortController().signal, force: false, whole: false, progress: () => undefined, say: text => t.fail(text),
  })
  const until = async (sequence: number, state: ImportRecord['state']): Promise<ImportRecord> => {
    for (;;) {
      const found = imports.list().find(record => record.sequence === sequence && record.state === state)
      if (found !== undefined) return found
      await pause(20)
    }
  }
  const bringIn = async (sequence: number): Promise<void> => {
    const { id } = await until(sequence, 'verified')
    await imports.proceed(id, 'olga')
    await until(sequence, 'awaiting-approval')
    await imports.approve(id, 'anton')
    await until(sequence, 'imported')
    const { receipt, signature } = imports.receipt(id)
    writeFileSync(join(outside, 'receipts', `receipt-${sequence}.json`), receipt)
    writeFileSync(join(outside, 'receipts', `receipt-${sequence}.json.asc`), signature)
  }

  writeFileSync(join(outside, 'files', 'note.txt'), 'one')
  const first = await round()
  t.ok(first.files.length > 1, 'a set of volumes')
  await bringIn(1)
  writeFileSync(join(outside, 'files', 'note.txt'), 'two')
  t.match(await round(), { outcome: 'dropped', text: /a delta: tools-0002\.v1-of-1\.drydock/ })
  await bringIn(2)
  t.match((await until(2, 'imported')).preflight, { newBytes: 3 })
  t.same([...catalogue.current().items('file')].map(({ name }) => name).toSorted(), ['large.bin', 'note.txt', 'note.txt'])
  t.match(await round(), { outcome: 'unchanged' })
  t.same(readdirSync(watch).filter(name => name.startsWith('.')), [])
})
