import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { digestOf, hexOf } from '../../appliance/core/digest.ts'
import { stagingOf } from '../../importer/stage/staging.ts'
import { openBlobStore } from '../../mirror/store/blobs.ts'

/** Whoever takes over the unpacker can write the staging folder; a link there must not become a blob, or a way to read something else. */
await t.test('a link in the staging folder is not there', async t => {
  const folder = t.testdir({ secret: 'the key', staging: {} })
  const store = await openBlobStore(join(folder, 'blobs'))
  const staging = stagingOf(join(folder, 'staging'))
  mkdirSync(staging.blobFolder)
  const [linked, plain, inner] = ['the key', 'plain', 'a folder'].map(text => digestOf(text)) as [ReturnType<typeof digestOf>, ReturnType<typeof digestOf>, ReturnType<typeof digestOf>]
  symlinkSync(join(folder, 'secret'), join(staging.blobFolder, hexOf(linked)))
  writeFileSync(join(staging.blobFolder, hexOf(plain)), 'plain')
  mkdirSync(join(staging.blobFolder, hexOf(inner)))
  t.same((await staging.staged()).map(({ digest }) => digest), [plain])
  const over = staging.over(store)
  t.same([linked, plain, inner].map(digest => [over.has(digest), over.size(digest)]), [[false, undefined], [true, 5], [false, undefined]])
  await t.rejects(over.read(linked), { code: 'DD-MIRROR-002' })
  await t.rejects(over.open(linked), { code: 'DD-MIRROR-002' })
})
