import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { digestOf, hexOf } from '../../appliance/core/digest.ts'
import type { ErrorCode } from '../../appliance/core/errors/table.ts'
import { RealSite, refusal, treeOf } from './real-site.ts'

t.setTimeout(280_000)

/** `up` (or another verb of the machine) ends at once with this, and not a byte of the folder is another. */
async function doesNotStart(t: Test, site: RealSite, args: readonly string[], code: ErrorCode, says: RegExp): Promise<void> {
  const before = treeOf(site.folder)
  await refusal(t, more => site.drydock('admin', [...args, ...more, ...(args[0] === 'up' ? ['--log-level', 'error'] : [])]), code, says)
  t.same(treeOf(site.folder), before, `${code}: nothing changed`)
}

await t.test('an appliance that cannot start says why in two lines, changes nothing, and starts once that is mended', async t => {
  const site = new RealSite(t)
  await site.plan()
  const up = ['up', ...site.flags]
  const init = ['init', ...site.flags, ...site.initFlags, '--trust', site.trust]

  await doesNotStart(t, site, up, 'DD-STATE-001', /expected an initialised data folder at .+, found an empty one/)
  mkdirSync(site.data)
  await doesNotStart(t, site, up, 'DD-STATE-001', /expected an initialised data folder at .+, found an empty one/)
  await doesNotStart(t, site, ['up'], 'DD-STATE-017', /data folder/)
  await doesNotStart(t, site, init, 'DD-STATE-019', /./)
  await doesNotStart(t, site, [...init, '--trust-sha256', '0'.repeat(64)], 'DD-STATE-019', /0{64}/)
  await doesNotStart(t, site, [...init.slice(0, -1), join(site.folder, 'none.json'), '--trust-sha256', '0'.repeat(64)], 'DD-CLI-002', /none\.json/)

  await site.init()
  await doesNotStart(t, site, [...init, '--trust-sha256', hexOf(digestOf(readFileSync(site.trust)))], 'DD-STATE-016', /./)
  const saved = join(site.folder, 'saved')
  cpSync(site.data, saved, { recursive: true })
  const restore = (): void => {
    rmSync(site.data, { recursive: true })
    cpSync(saved, site.data, { recursive: true })
  }
  const format = join(site.data, 'format.json')
  writeFileSync(format, readFileSync(format, 'utf8').replace('"format":1', '"format":7'))
  await doesNotStart(t, site, up, 'DD-STATE-002', /found format 7/)
  writeFileSync(format, 'not JSON')
  await doesNotStart(t, site, up, 'DD-STATE-001', /./)
  for (const [gone, code] of [['state', 'DD-STATE-004'], ['state/desired.json', 'DD-STATE-004'], ['db', 'DD-STATE-008'], ['db/history.sqlite', 'DD-STATE-008'], ['secrets', 'DD-STATE-009'], ['pki', 'DD-IDENT-011']] as const) {
    restore()
    rmSync(join(site.data, gone), { recursive: true })
    if (gone === 'state/desired.json') rmSync(join(site.data, 'state/desired.json.prev'), { force: true })
    await doesNotStart(t, site, up, code, /found no/)
  }
  restore()
  for (const name of ['desired.json', 'desired.json.prev']) if (existsSync(join(site.data, 'state', name))) writeFileSync(join(site.data, 'state', name), '{')
  await doesNotStart(t, site, up, 'DD-STATE-005', /./)
  restore()
  writeFileSync(join(site.data, 'db/history.sqlite'), 'not a database, by no means')
  await doesNotStart(t, site, up, 'DD-STATE-008', /./)
  restore()
  renameSync(site.marks, `${site.marks}.away`)
  await doesNotStart(t, site, up, 'DD-IMPORT-015', /./)
  renameSync(`${site.marks}.away`, site.marks)
  writeFileSync(join(site.data, 'drydock.yaml'), 'siteId: site-a\ncolour: blue\n')
  await doesNotStart(t, site, up, 'DD-CORE-009', /"colour"/)
  restore()
  await doesNotStart(t, site, [...up, '--listen', 'nowhere'], 'DD-CORE-009', /listen/)
  await doesNotStart(t, site, [...up, '--listen', '127.0.0.1:99999'], 'DD-STATE-017', /99999/)

  const other = createServer()
  other.listen(0, '127.0.0.1')
  await once(other, 'listening')
  const taken = String((other.address() as AddressInfo).port)
  const state = readFileSync(join(site.data, 'state/desired.json'))
  await refusal(t, more => site.drydock('admin', [...up, '--listen', `127.0.0.1:${taken}`, '--log-level', 'error', ...more]), 'DD-STATE-018', new RegExp(`${taken} to be free for console.+found it in use`))
  await refusal(t, more => site.drydock('admin', [...up, '--agent-listen', `127.0.0.1:${taken}`, '--log-level', 'error', ...more]), 'DD-STATE-018', new RegExp(`${taken} to be free for agents.+found it in use`))
  t.same(readFileSync(join(site.data, 'state/desired.json')), state)
  other.close()

  await site.up()
  await refusal(t, more => site.drydock('admin', [...up, '--log-level', 'error', ...more]), 'DD-STATE-003', /./)
  await site.people()
  await site.imports(t)

  await site.down()
  renameSync(join(site.data, 'db/catalogue.sqlite'), join(site.folder, 'catalogue'))
  await refusal(t, more => site.drydock('admin', [...up, '--log-level', 'error', ...more]), 'DD-STATE-008', /expected the catalogue of the mirrors at .+, found none/)
  renameSync(join(site.folder, 'catalogue'), join(site.data, 'db/catalogue.sqlite'))
  await site.up()
})
