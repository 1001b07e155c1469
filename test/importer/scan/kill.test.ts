import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { bundleOf, person, trustOf } from '../../support/bundles.ts'
import { openSite } from '../../support/import-site.ts'
import { sleepers, until } from './sleepers.ts'

t.setTimeout(120_000)

/** Nobody else sleeps for so long. */
const SECONDS = `86${process.pid}`
await t.test('killed in the middle of a scan: the scanner dies with it, and the next start scans again', async t => {
  const ana = await person('Ana')
  const folder = t.testdir()
  const trust = trustOf([ana])
  const { file } = await bundleOf({ folder, signers: [ana.signer], files: { a: 'first\n' } })
  mkdirSync(join(folder, 'site'))
  writeFileSync(join(folder, 'site/trust.json'), JSON.stringify(trust))
  const child = spawn(process.execPath, [join(import.meta.dirname, 'scan-process.ts'), join(folder, 'site'), file, SECONDS], { stdio: ['ignore', 'ignore', 'inherit'] })
  const ended = once(child, 'exit')
  t.ok(await until(() => sleepers(SECONDS).length > 0), 'it scans')
  child.kill('SIGKILL')
  await ended
  t.ok(await until(() => sleepers(SECONDS).length === 0), 'the scanner is gone')

  const site = await openSite(t, { trust, folder: join(folder, 'site'), scan: { scanners: [{ name: 'quick', command: ['/usr/bin/bash', '-c', '[ "$(cat /scan/files/000001-content)" = first ]'] }] } })
  const [{ id, operation } = { id: '', operation: '' }] = site.imports.list()
  await site.operations.settled(operation)
  t.match(site.imports.get(id), { state: 'awaiting-approval', scans: [{ scanner: 'quick', files: 1, findings: 0 }] })
  t.notOk(existsSync(join(folder, 'site/staging', id, 'scan')), 'what scanners saw is removed')
  await site.imports.approve(id, 'anton')
  await site.operations.settled(operation)
  t.match(site.imports.get(id), { state: 'imported', generation: 1 })
})
