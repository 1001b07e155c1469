import { join } from 'node:path'
import t from 'tap'
import { eicarDefinitions } from '../../support/eicar.ts'
import { collectFault, runCollect } from './support/run-collect.ts'

/** The head of a container as ClamAV writes it; what follows does not matter to the collector. */
const container = (built: string): string => `ClamAV-VDB:${built}:62:6647427:90:X:X:raynman:1505218172`.padEnd(512) + built

await t.test('virus definitions travel as one item, whose version is the newest build time that ClamAV signed', async t => {
  const folder = t.testdir({ clam: { 'main.cvd': container('16 Sep 2021 08-32 -0400'), 'daily.cvd': container('20 Nov 2026 09-12 +0200'), 'freshclam.dat': 'x', 'mirrors.dat': 'y' } })
  const { lock } = await runCollect(folder, { clamav: { path: 'clam' } })
  t.match(lock.items, [{ kind: 'advisories', name: 'clamav', version: '20261120.0712', metadata: { built: '2026-11-20T07:12:00Z' }, blobs: [{ name: 'daily.cvd' }, { name: 'main.cvd' }] }])
  t.equal(lock.items[0]?.blobs.length, 2, 'what is no database stays')
})

await t.test('loose databases need a date, because nothing in them says how new they are', async t => {
  const folder = t.testdir({ clam: { ...eicarDefinitions(), 'allow.fp': 'x' } })
  t.match(await collectFault(folder, { clamav: { path: 'clam' } }), { code: 'DD-COLLECT-019', message: /found only loose databases/ })
  const { lock } = await runCollect(folder, { clamav: { path: 'clam', built: '2026-11-20T00:00:00Z' } }, { workspace: join(folder, 'dated') })
  t.match(lock.items, [{ version: '20261120.0000', blobs: [{ name: 'eicar.hdb' }, { name: 'eicar.ndb' }] }])
})

await t.test('a folder that is not there, or without databases, is told', async t => {
  const folder = t.testdir({ empty: { 'readme.txt': 'x' } })
  t.match(await collectFault(folder, { clamav: { path: 'nowhere' } }), { code: 'DD-COLLECT-011' })
  t.match(await collectFault(folder, { clamav: { path: 'empty' } }), { code: 'DD-COLLECT-011', message: /found 0/ })
})
