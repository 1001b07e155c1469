import { randomBytes } from 'node:crypto'
import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { anewSource, openAnew } from '../../../bundles/build/read-anew.ts'

const MIB = 1024 * 1024

await t.test('a file of any size is read whole and in any place, from the device or not', async t => {
  const folder = t.testdir()
  for (const size of [0, 1, 511, 512, 4096, 100_001, MIB - 1, MIB, MIB + 1, 3 * MIB + 777]) {
    const path = join(folder, `file-${size}`)
    const bytes = randomBytes(size)
    writeFileSync(path, bytes)
    const file = await openAnew(path)
    const source = anewSource(file)
    const into = Buffer.alloc(size + 10)
    let have = 0
    for (let got = await source.read(into.subarray(0, 300_000)); got > 0; got = await source.read(into.subarray(have, have + 300_000))) have += got
    t.equal(have, size)
    t.ok(into.subarray(0, have).equals(bytes), `${size} bytes`)
    for (const at of [0, size - 1, size >> 1, size, size + 5].filter(place => place >= 0)) t.ok(Buffer.from(await file.read(at, 100)).equals(bytes.subarray(at, at + (await file.read(at, 100)).length)), `at ${at}`)
    t.equal((await file.read(size, 10)).length, 0, 'nothing behind the end')
    t.type(file.direct, 'boolean')
    await file.close()
  }
})

await t.test('a file that shrinks while it is read ends', async t => {
  const path = join(t.testdir(), 'file')
  writeFileSync(path, randomBytes(2 * MIB))
  const file = await openAnew(path)
  t.ok((await file.read(0, 10)).length > 0)
  truncateSync(path, MIB)
  t.equal((await file.read(MIB + 5, 10)).length, 0)
  await file.close()
})
