import { chmodSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import t, { type Test } from 'tap'
import { barrierFrom, syncFileSystem } from '../../../appliance/core/sync.ts'

/** In the place of coreutils' sync: the first one is told something by the kernel and says so late, those after it hear nothing. */
function firstSays(t: Test, says: string, seconds: number): string {
  const folder = t.testdir({ sync: `#!/bin/sh\nif mkdir ${JSON.stringify(join(t.testdirName, 'told'))} 2>/dev/null; then sleep ${seconds}; echo "sync: error syncing '$2': ${says}" >&2; exit 1; fi\n` })
  chmodSync(join(folder, 'sync'), 0o755)
  const before = process.env['PATH']
  process.env['PATH'] = `${folder}${delimiter}${before}`
  t.teardown(() => {
    process.env['PATH'] = before
  })
  return folder
}

await t.test('a barrier waits for a sync that began before it and has not said yet that it failed', async t => {
  const folder = firstSays(t, 'Input/output error', 0.5)
  const barrier = barrierFrom(folder)
  const other = syncFileSystem(folder)
  other.catch(() => undefined)
  await new Promise(resolve => setTimeout(resolve, 200))
  await t.rejects(barrier(), { code: 'DD-CORE-003' })
  await t.rejects(other, { code: 'DD-CORE-003' })
})

await t.test('a sync that finds the disk full says that', async t => {
  const folder = firstSays(t, 'No space left on device', 0)
  await t.rejects(syncFileSystem(folder), { code: 'DD-CORE-002' })
})

await t.test('what another failure of sync says stays as it is', async t => {
  await t.rejects(syncFileSystem(join(t.testdir(), 'none')), { code: 'DD-CORE-006', hint: /No such file/ })
})
