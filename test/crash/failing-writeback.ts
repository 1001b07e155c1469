import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openDurableBatch } from '../../appliance/core/durable-batch.ts'
import { barrierFrom, SYNC_FILE_SYSTEM_FROM, syncFileSystem } from '../../appliance/core/sync.ts'
import { pushingOut } from '../../importer/unpack/pushing-out.ts'

/** The machine may be busy with other tests. */
t.setTimeout(280_000)

const MIB = 1024 * 1024
const LOST = 'these bytes are lost '
const folder = mkdtempSync(join(tmpdir(), 'drydock-writeback-'))
const [image, fuse, disk] = [join(folder, 'image'), join(folder, 'fuse'), join(folder, 'disk')]
for (const path of [fuse, disk]) mkdirSync(path)
writeFileSync(image, '')
truncateSync(image, 64 * MIB)
execFileSync('mkfs.ext4', ['-q', '-F', '-m', '0', image])
const server = fork(join(import.meta.dirname, 'failing-disk.ts'), [fuse, image])
await once(server, 'message')
execFileSync('mount', ['-o', 'loop', join(fuse, 'disk'), disk])
t.teardown(() => {
  for (const path of [disk, fuse]) execFileSync('umount', [path])
  server.disconnect()
  rmSync(folder, { recursive: true, force: true })
})

/** While it runs the disk does not write what holds LOST. @returns how many writes have failed */
async function withFailingDisk(during: () => Promise<void>): Promise<number> {
  const tell = async (failFor: string | null): Promise<number> => {
    const answered = once(server, 'message')
    server.send({ failFor })
    return Number((await answered)[0])
  }
  const before = await tell(LOST)
  try {
    await during()
  } finally {
    await tell(null)
  }
  return (await tell(null)) - before
}

let files = 0

/** As an import writes: into the page cache, for the disk to be written later. */
function write(): void {
  writeFileSync(join(disk, `blob-${++files}`), LOST.repeat(10_000))
}

/** The sync of another import reaches the disk first, and is told of what was lost. */
async function anotherIsTold(t: Test): Promise<void> {
  t.ok(await withFailingDisk(async () => {
    await t.rejects(syncFileSystem(disk), { code: 'DD-CORE-003' })
  }), 'writes failed')
}

await t.test('the kernel tells of lost bytes once: a sync that begins afterwards hears nothing', async t => {
  write()
  await anotherIsTold(t)
  await t.resolves(syncFileSystem(disk))
})

await t.test('a barrier hears of bytes lost since it was begun though another sync was told of them', async t => {
  const barrier = barrierFrom(disk)
  write()
  await anotherIsTold(t)
  await t.rejects(barrier(), { code: 'DD-CORE-003', message: /failed to write something meanwhile/ })
  await t.resolves(barrierFrom(disk)(), 'what begins afterwards is on the disk')
})

await t.test('and of bytes that the sync of another import loses in the same moment', async t => {
  const barrier = barrierFrom(disk)
  write()
  const all = await withFailingDisk(async () => {
    const ends = await Promise.allSettled([syncFileSystem(disk), barrier(), syncFileSystem(disk), barrier()])
    t.match([ends[1], ends[3]], [{ reason: { code: 'DD-CORE-003' } }, { reason: { code: 'DD-CORE-003' } }])
  })
  t.ok(all)
})

await t.test('an import fails when the disk lost bytes while it was read, whoever pushed them out', async t => {
  const [mine, others] = [pushingOut(disk), pushingOut(disk)]
  write()
  const failed = await withFailingDisk(async () => {
    others.upTo(1024 * MIB)
    // The other one is cancelled, and nobody asks it how its push ended.
    await others.idle()
  })
  t.ok(failed)
  await t.rejects(mine.barrier(), { code: 'DD-CORE-003' })
  await t.resolves(pushingOut(disk).barrier(), 'the next try is on the disk')
})

await t.test('small files of a batch get no name when the disk lost some of their bytes, whoever was told', async t => {
  mkdirSync(join(disk, 'incoming'))
  const batch = openDurableBatch({ temporaryFolder: join(disk, 'incoming'), mode: 0o440 })
  for (let k = 0; k < SYNC_FILE_SYSTEM_FROM; k++) await batch.add(join(disk, 'named', String(k)), `${LOST}${k}`)
  await anotherIsTold(t)
  await t.rejects(batch.commit(), { code: 'DD-CORE-003' })
  await batch.discard()
  t.notOk(existsSync(join(disk, 'named')))
})
