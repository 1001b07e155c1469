import t from 'tap'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { digestOf, digestOfFile } from '../../appliance/core/digest.ts'
import { DrydockError } from '../../appliance/core/error.ts'
import type { Item, ItemKind } from '../../bundles/format/item.ts'
import { mirrorFormats } from '../../mirror/formats.ts'
import { openStore } from '../../mirror/store/open.ts'
import * as content from '../mirror/support/content.ts'

/** The same for every run, so that rendering twice can be compared byte by byte. */
const clock = { now: () => new Date('2026-01-01T00:00:00Z') }
const releaseSigner = { fingerprint: 'F', publicKey: 'key', sign: async (bytes: Uint8Array) => digestOf(bytes), clearSign: async (text: string) => `signed ${text}` }
const formats = mirrorFormats({ publicUrl: 'https://drydock.example:8443', releaseSigner, clock })

/** Two items that share an index, made by the ecosystem's own tool; then what a request for the first must find. */
const SAMPLES: Record<string, { make(shelf: content.Shelf): Promise<[Item, Item]>; serves: string }> = {
  npm: { make: async shelf => [await content.npmPackage(shelf, 'tool', '1.0.0'), await content.npmPackage(shelf, 'tool', '1.1.0')], serves: 'tool/-/tool-1.0.0.tgz' },
  pypi: { make: async shelf => [await content.wheel(shelf, 'tool', '1.0'), await content.wheel(shelf, 'tool', '1.1')], serves: 'files/tool/1.0/tool-1.0-py3-none-any.whl' },
  deb: { make: async shelf => [await content.deb(shelf, 'tool', '1.0', { architecture: 'all' }), await content.deb(shelf, 'other', '1.1')], serves: 'pool/bookworm/main/tool/tool_1.0_all.deb' },
  oci: { make: async shelf => [await content.ociImage(shelf, 'a/tool', '1', 'one'), await content.ociImage(shelf, 'a/tool', '2', 'two')], serves: 'a/tool/manifests/1' },
  file: { make: async shelf => [await content.file(shelf, 'a/tool', 'one'), await content.file(shelf, 'a/other', 'two')], serves: 'a/tool' },
}

async function shelfIn(folder: string): Promise<content.Shelf & { dataDir: string }> {
  const dataDir = join(folder, 'data')
  mkdirSync(dataDir, { recursive: true })
  const store = await openStore({ dataDir, formats, clock })
  const adopt = async (path: string) => {
    const found = await digestOfFile(path)
    await store.blobs.adopt(path, found.digest)
    return found
  }
  return { folder, dataDir, store, adopt }
}

/** Path → digest of everything that a generation serves. */
function served(dataDir: string, generation: number): Record<string, unknown> {
  const database = new DatabaseSync(join(dataDir, 'db/catalogue.sqlite'), { readOnly: true })
  const rows = database.prepare('SELECT kind, path, digest FROM rendered WHERE from_generation <= ? AND to_generation > ? ORDER BY kind, path').all(generation, generation)
  database.close()
  return Object.fromEntries(rows.map(row => [`${row['kind']} ${row['path']}`, row['digest']]))
}

await t.test('there is a sample for every format', async t => t.same(formats.map(format => format.kind).toSorted(), Object.keys(SAMPLES).toSorted()))

for (const format of formats) {
  await t.test(`the format ${format.kind}`, async t => {
    const sample = SAMPLES[format.kind]!
    const shelf = await shelfIn(t.testdir())
    const { catalogue } = shelf.store
    const [first, second] = await sample.make(shelf)

    await t.test('takes what its own tools made', async () => {
      for (const item of [first, second]) await catalogue.validate(item)
    })

    await t.test('refuses metadata that is none, with a code and the name of the item', async t => {
      for (const metadata of [{}, { path: 1, files: 'x', control: null, digest: 'sha256:', integrity: '' }]) {
        const failure: unknown = await catalogue.validate({ ...first, metadata }).catch((thrown: unknown) => thrown)
        t.ok(failure instanceof DrydockError && ['DD-CORE-009', 'DD-MIRROR-004'].includes(failure.code) && failure.message.includes(first.name), String(failure))
      }
    })

    await catalogue.promote({ operation: 'first', items: [first] })
    const before = served(shelf.dataDir, 1)
    await catalogue.promote({ operation: 'second', items: [second] })

    await t.test('one import after the other serves what both at once would', async t => {
      const other = await shelfIn(t.testdir())
      for (const blob of [first, second].flatMap(item => item.blobs)) await other.store.blobs.put(await shelf.store.blobs.read(blob.digest as never))
      await other.store.catalogue.promote({ operation: 'both', items: [second, first] })
      const [inTwo, atOnce] = [served(shelf.dataDir, 2), served(other.dataDir, 1)]
      t.same(Object.fromEntries(Object.keys(atOnce).map(path => [path, inTwo[path]])), atOnce)
      other.store.close()
    })

    await t.test('leaves the generation before as it was', async t => t.same(served(shelf.dataDir, 1), before))

    await t.test('finds by request what it rendered, in the generations that have it', async t => {
      const found = format.find({ path: sample.serves, accept: '*/*' })
      if (!t.ok('path' in found) || !('path' in found)) return
      t.ok(catalogue.lookup(1, format.kind, found.path))
      t.equal(catalogue.lookup(0, format.kind, found.path), undefined)
      t.equal(catalogue.lookup(1, (format.kind === 'npm' ? 'pypi' : 'npm') satisfies ItemKind, found.path), undefined)
    })

    await t.test('answers odd paths without a fault, and with nothing of another', async t => {
      for (const path of ['', '/', '..', '../x', 'a//b', 'a/-/b', 'simple/x', '%', '\u{1f4a9}', '__proto__', 'x'.repeat(10_000)]) {
        const found = format.find({ path, accept: 'nonsense;;q=x,,' })
        t.ok('redirect' in found || 'body' in found || catalogue.lookup(2, format.kind, found.path) === undefined || ['', '/'].includes(path), path.slice(0, 20))
      }
      for (const status of [400, 404, 405, 500]) t.ok(format.refusal(status, '<x>\n').mediaType)
    })

    shelf.store.close()
  })
}
