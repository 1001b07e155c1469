import { chmodSync, writeFileSync } from 'node:fs'
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

await t.test('a barrier says the same as the sync that was told: a full disk is no broken one', async t => {
  for (const says of ['No space left on device', 'Disk quota exceeded']) {
    const folder = firstSays(t, says, 0)
    const barrier = barrierFrom(folder)
    await t.rejects(syncFileSystem(folder), { code: 'DD-CORE-002' })
    await t.rejects(barrier(), { code: 'DD-CORE-002', hint: /^free space on it.*nothing of that time is kept$/ }, says)
  }
})

await t.test('a sync that the kernel told of nothing fails alone', async t => {
  const folder = t.testdir()
  const barrier = barrierFrom(folder)
  await t.rejects(syncFileSystem(join(folder, 'none')), { code: 'DD-CORE-006' })
  await t.resolves(barrier())
})

await t.test('a sync that is told something else, or is killed before it can say what, counts as one that lost bytes', async t => {
  for (const says of ['No data available', 'Remote I/O error']) {
    const folder = firstSays(t, says, 0)
    const barrier = barrierFrom(folder)
    await t.rejects(syncFileSystem(folder), { code: 'DD-CORE-003' }, says)
    await t.rejects(barrier(), { code: 'DD-CORE-003' }, says)
  }
  const folder = firstSays(t, '', 0)
  writeFileSync(join(folder, 'sync'), '#!/bin/sh\nif mkdir "$0.told" 2>/dev/null; then kill -9 $$; fi\n')
  const barrier = barrierFrom(folder)
  await t.rejects(syncFileSystem(folder), { code: 'DD-CORE-003' }, 'killed')
  await t.rejects(barrier(), { code: 'DD-CORE-003' }, 'killed')
})

await t.test('a sync that finds the disk full says that', async t => {
  const folder = firstSays(t, 'No space left on device', 0)
  await t.rejects(syncFileSystem(folder), { code: 'DD-CORE-002' })
})

await t.test('what another failure of sync says stays as it is', async t => {
  await t.rejects(syncFileSystem(join(t.testdir(), 'none')), { code: 'DD-CORE-006', hint: /No such file/ })
})
