import { randomBytes } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import t from 'tap'
import { checkVolume } from '../../../bundles/build/index.ts'
import { bundleOf } from '../../support/bundles.ts'

t.setTimeout(240_000)
const SIZE = 128 * 1024
const files = { a: 'first\n', empty: '', large: randomBytes(150_000), zeros: Buffer.alloc(90_000), ...Object.fromEntries(Array.from({ length: 4 }, (_, k) => [`part/${k}`, randomBytes(10_000 + 37 * k)])) }

await t.test('parity volumes stand beside the volumes, fit the same medium, and are the same when built again', async t => {
  const folder = t.testdir()
  const [one, two] = await Promise.all(['one', 'two'].map(name => bundleOf({ folder: join(folder, name), files, signers: [], volumeBytes: SIZE, parity: 2 })))
  const { manifest, volumes } = one!
  const count = manifest.volumes.length
  t.same(volumes.slice(count).map(({ file }) => basename(file)), ['demo-0001.p1.drydock', 'demo-0001.p2.drydock'])
  t.same(volumes.map(({ digest }) => digest), two!.volumes.map(({ digest }) => digest))
  for (const { file, size } of volumes) {
    t.equal(statSync(file).size, size)
    t.ok(size + 64 * 1024 <= SIZE)
    await checkVolume(file)
  }
  const plain = await bundleOf({ folder: join(folder, 'plain'), files, signers: [], volumeBytes: SIZE })
  t.equal(plain.manifest.parity, undefined)
  t.notMatch(readFileSync(plain.file).toString('latin1').slice(0, 4096), /parity/)
})
