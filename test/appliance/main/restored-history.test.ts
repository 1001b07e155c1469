import t from 'tap'
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Log } from '../../../appliance/core/log.ts'
import { dataPaths } from '../../../appliance/state/data-folder.ts'
import { initSite, planSite, startSite } from './site.ts'

await t.test('a history from a backup of before is told in log, audit and events, once, and the appliance goes on', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'drydock-restored-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const site = await planSite(folder)
  await initSite(site)
  const { history } = dataPaths(site.config.dataDir)
  const told: string[] = []
  const note = (fields: Record<string, unknown>): void => void told.push(String(fields['code']))
  const log: Log = { debug() {}, info() {}, warn: note, error: note }
  const started = async (): Promise<{ audited: string[]; events: string[] }> => {
    const appliance = await startSite(site.config, {}, log)
    const { audit, events } = appliance.services
    const seen = { audited: audit.list().map(({ action }) => action), events: events.list().map(({ type }) => type) }
    await appliance.close()
    return seen
  }
  await started()
  copyFileSync(history, join(folder, 'backup.sqlite'))
  t.notMatch(await started(), { audited: /audit\.lost/ })
  t.same(told, [], 'nothing was lost yet')
  for (const part of ['', '-wal', '-shm']) rmSync(`${history}${part}`, { force: true })
  copyFileSync(join(folder, 'backup.sqlite'), history)
  const { audited, events } = await started()
  t.same(told, ['DD-STATE-011'])
  t.equal(audited.filter(action => action === 'audit.lost').length, 1)
  t.ok(events.includes('audit.lost'))
  const again = await started()
  t.same(told, ['DD-STATE-011'], 'told once')
  t.equal(again.audited.filter(action => action === 'audit.lost').length, 1, 'and kept in the chain')
})
