import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { findProgram } from '../../../appliance/core/find-program.ts'
import { lookAt } from '../../../importer/media/find-bundles.ts'
import { runSandboxed } from '../../../importer/scan/sandbox.ts'
import { bundleOf, person, trustOf } from '../../support/bundles.ts'
import { openSite } from '../../support/import-site.ts'

t.setTimeout(120_000)

const MISSING = { code: 'DD-CORE-008', message: 'expected the program bwrap, found none', hint: 'install it: apt-get install bubblewrap' }

await t.test('without bubblewrap nothing is unpacked, read or scanned, the package is named, and with it the import goes on', async t => {
  const folder = t.testdir({ 'bin': {} })
  const ana = await person('Ana')
  const site = await openSite(t, { trust: trustOf([ana]) })
  const { operation, record } = await site.submit((await bundleOf({ folder, signers: [ana.signer] })).file)
  for (const program of ['prlimit', 'sync', 'ldd']) symlinkSync(await findProgram(program, program), join(folder, 'bin', program))
  const path = process.env['PATH']
  process.env['PATH'] = join(folder, 'bin')
  try {
    await site.imports.proceed(record.id, 'olga')
    t.match(await site.operations.settled(operation.id), { state: 'failed', error: MISSING })
    writeFileSync(join(folder, 'medium'), Buffer.alloc(1024 * 1024))
    await t.rejects(lookAt(join(folder, 'medium')), MISSING)
    await t.rejects(runSandboxed({ name: 'acme', purpose: 'import', command: ['/usr/bin/true'], folder, accept: [0] }), MISSING)
  } finally {
    process.env['PATH'] = path
  }
  const again = site.imports.resume(record.id, { actor: 'olga', idempotencyKey: 'again' })
  t.match(await site.operations.settled(again.id), { waitingOn: 'approval' })
})
