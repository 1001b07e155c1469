import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { bundleOf, person, trustOf } from '../../support/bundles.ts'
import { openSite } from '../../support/import-site.ts'

t.setTimeout(120_000)

/** Nobody else sleeps for so long. */
const SECONDS = `86${process.pid}`
const sleepers = (): string[] => readdirSync('/proc').filter(pid => {
  try {
    return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8') === `/usr/bin/sleep\0${SECONDS}\0`
  } catch {
    return false
  }
})

async function until(holds: () => boolean): Promise<boolean> {
  for (let k = 0; k < 600 && !holds(); k++) await sleep(100)
  return holds()
}

await t.test('killed in the middle of a scan: the scanner dies with it, and the next start scans again', async t => {
  const ana = await person('Ana')
  const folder = t.testdir()
  const trust = trustOf([ana])
  const { file } = await bundleOf({ folder, signers: [ana.signer], files: { a: 'first\n' } })
  mkdirSync(join(folder, 'site'))
  writeFileSync(join(folder, 'site/trust.json'), JSON.stringify(trust))
  const child = spawn(process.execPath, [join(import.meta.dirname, 'scan-process.ts'), join(folder, 'site'), file, SECONDS], { stdio: ['ignore', 'ignore', 'inherit'] })
  const ended = once(child, 'exit')
  t.ok(await until(() => sleepers().length > 0), 'it scans')
  child.kill('SIGKILL')
  await ended
  t.ok(await until(() => sleepers().length === 0), 'the scanner is gone')

  const site = await openSite(t, { trust, folder: join(folder, 'site'), scan: { scanners: [{ name: 'quick', command: ['/usr/bin/bash', '-c', '[ "$(cat /scan/files/000001-content)" = first ]'] }] } })
  const [{ id, operation } = { id: '', operation: '' }] = site.imports.list()
  await site.operations.settled(operation)
  t.match(site.imports.get(id), { state: 'awaiting-approval', scans: [{ scanner: 'quick', files: 1, findings: 0 }] })
  t.notOk(existsSync(join(folder, 'site/staging', id, 'scan')), 'what scanners saw is removed')
  await site.imports.approve(id, 'anton')
  await site.operations.settled(operation)
  t.match(site.imports.get(id), { state: 'imported', generation: 1 })
})
