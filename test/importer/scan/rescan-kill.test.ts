import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { digestOf } from '../../../appliance/core/digest.ts'
import { bundleOf, person, trustOf } from '../../support/bundles.ts'
import { definitionsItem, EICAR, eicarDefinitions } from '../../support/eicar.ts'
import { openSite } from '../../support/import-site.ts'
import { sleepers, until } from './sleepers.ts'

t.setTimeout(120_000)

/** Nobody else sleeps for so long. */
const SECONDS = `87${process.pid}`

await t.test('killed in the middle, it goes on behind the last batch that was finished, and tells nothing twice', async t => {
  const ana = await person('Ana')
  const folder = t.testdir()
  const trust = trustOf([ana])
  const at = digestOf(EICAR)
  // Looked at in the order of their digests: two infected files, the slow one between them, and one before.
  const [before, slow, evil] = [`before`, `slow`, EICAR].map((text, k) => Array.from({ length: 200 }, (_, n) => `${text} ${n}\n`).find(each => (k === 0 ? digestOf(each) < at : digestOf(each) > at)) ?? '')
  const infected = Array.from({ length: 200 }, (_, n) => `${evil}${n}\n`).find(each => digestOf(each) > digestOf(slow!)) ?? ''
  const content = await bundleOf({ folder: join(folder, 'content'), signers: [ana.signer], files: { before: before!, first: EICAR, slow: slow!, second: infected } })
  const definitions = await bundleOf({ folder: join(folder, 'definitions'), signers: [ana.signer], sequence: 2, items: [definitionsItem(join(folder, 'definitions/blobs'), eicarDefinitions(), `${new Date(Date.now() - 90_000_000).toISOString().slice(0, 19)}Z`)] })
  mkdirSync(join(folder, 'site'))
  writeFileSync(join(folder, 'site/trust.json'), JSON.stringify(trust))
  const child = spawn(process.execPath, [join(import.meta.dirname, 'rescan-process.ts'), join(folder, 'site'), SECONDS, content.file, definitions.file], { stdio: ['ignore', 'ignore', 'inherit'] })
  const ended = once(child, 'exit')
  t.ok(await until(() => sleepers(SECONDS).length > 0), 'it is in the middle')
  child.kill('SIGKILL')
  await ended
  t.ok(await until(() => sleepers(SECONDS).length === 0), 'the scanner is gone')
  t.ok(existsSync(join(folder, 'site/work/rescan/batch/view/list')), 'what it was looking at is left')

  const begun: string[] = []
  const site = await openSite(t, {
    trust, folder: join(folder, 'site'), scan: { clamav: 'auto', scanners: [{ name: 'acme', command: ['/usr/bin/true'] }] }, rescanBatch: { files: 1, bytes: 1 },
    onJournal: ({ kind, name, phase }, when) => void (kind === 'rescan' && phase === 'effect' && when === 'before' && begun.push(name)),
  })
  const [operation] = site.operations.list().filter(({ kind }) => kind === 'rescan')
  t.match(await site.operations.settled(operation!.id), { state: 'succeeded', actor: 'drydock:rescan' })
  const batches = begun.filter(name => name.startsWith('batch-')).map(name => Number(name.slice(6)))
  t.ok(batches[0]! > 2, `it begins with batch ${batches[0]}`)
  const [looked] = site.rescans.list()
  t.match(looked, { state: 'succeeded', blobs: { done: 6, total: 6 } })
  t.same(looked!.scans.map(({ scanner, files, findings }) => [scanner, files, findings]), [['clamav', 6, 3], ['acme', 6, 0]], 'each file counts once')
  t.same(looked!.findings.map(({ items }) => items), [['file:first@1'], ['file:first@1'], ['file:second@1']])
  t.same(site.events().filter(({ type }) => type.startsWith('rescan.')).map(({ type, subject }) => `${type} ${subject}`), ['rescan.started store', 'rescan.found item:file:first@1', 'rescan.found item:file:first@1', 'rescan.found item:file:second@1', 'rescan.done store'])
  t.notOk(existsSync(join(folder, 'site/work/rescan/batch')), 'nothing is left')
  await site.rescans.whenNew()
  t.equal(site.operations.list().filter(({ kind }) => kind === 'rescan').length, 1, 'and it is not begun again')
})
