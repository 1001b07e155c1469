import t from 'tap'
import { randomBytes } from 'node:crypto'
import { chmodSync, truncateSync } from 'node:fs'
import { openBlobStore } from '../../../mirror/store/blobs.ts'
import { bodyCache } from '../../../mirror/store/body-cache.ts'

const MIB = 1024 * 1024
const entry = (digest: Awaited<ReturnType<typeof blobs.put>>, ours: boolean) => ({ digest, ours, mediaType: 'x', immutable: false })
const blobs = await openBlobStore(t.testdir())

await t.test('small bodies are kept, large ones are left to be streamed', async t => {
  const cache = bodyCache(blobs)
  const [small, large] = [await blobs.put('small'), await blobs.put(randomBytes(3 * MIB))]
  t.equal(cache.kept(small), undefined)
  t.equal((await cache.load(entry(small, true)))?.toString(), 'small')
  t.equal(cache.kept(small)?.toString(), 'small')
  t.equal(await cache.load(entry(large, false)), undefined)
  t.equal(cache.kept(large), undefined)
})

await t.test('the least recently used bodies go when all of them are too much', async t => {
  const cache = bodyCache(blobs)
  const digests: Parameters<typeof cache.kept>[0][] = []
  for (let n = 0; n < 40; n++) digests.push(await blobs.put(randomBytes(2 * MIB)))
  for (const digest of digests) {
    await cache.load(entry(digest, false))
    cache.kept(digests[0]!)
  }
  const kept = digests.filter(digest => cache.kept(digest) !== undefined)
  t.equal(kept.length, 32, '64 MiB of 2 MiB each')
  t.same(kept, [digests[0], ...digests.slice(-31)])
})

await t.test('an index that rotted is an error, small or large', async t => {
  const cache = bodyCache(blobs)
  for (const digest of [await blobs.put('index'), await blobs.put(randomBytes(3 * MIB))]) {
    chmodSync(blobs.blobPath(digest), 0o640)
    truncateSync(blobs.blobPath(digest), (blobs.size(digest) ?? 1) - 1)
    await t.rejects(cache.load(entry(digest, true)), { code: 'DD-CORE-005' })
    await t.rejects(cache.load(entry(digest, true)), { code: 'DD-CORE-005' })
  }
})
