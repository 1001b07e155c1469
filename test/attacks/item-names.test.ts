import t from 'tap'
import type { Item } from '../../bundles/format/item.ts'
import { fileItems } from '../support/bundles.ts'
import { stillImports, world } from './hostile.ts'

/** The machine may be busy with other tests. */
t.setTimeout(240_000)

const long = (bytes: number): string => 'x'.repeat(bytes)

await t.test('a path that no mirror may serve stops its bundle before anything is stored, with the item named', async t => {
  const here = await world(t)
  const { site, folder, good } = here
  const evil = {
    'up and out': '../../etc/cron.d/x', 'up and out in the middle': 'docs/../../x', 'an absolute path': '/etc/cron.d/x', 'a dot segment': 'docs/./x', 'an empty segment': 'docs//x', backslash: 'docs\\x', NUL: 'docs/a\0b', newline: 'docs/a\nb',
    escape: 'docs/\u001b[2Jx', 'a C1 control': 'docs/\u009b2Jx', 'a segment of 256 bytes': `docs/${long(256)}`, 'a segment of 256 bytes in 128 letters': `docs/${'é'.repeat(128)}`, 'a folder that belongs to the site': 'site/x',
  }
  let n = 0
  for (const [why, path] of Object.entries(evil)) {
    const [item] = fileItems(`${folder}/evil-${++n}/blobs`, { plain: why }) as [Item]
    const made = { ...item, metadata: { path } }
    const before = site.fingerprint()
    const { file } = await good({ folder: `${folder}/evil-${n}`, items: [made], stream: `evil-${n}` })
    const { operation, record } = await site.submit(file)
    if (operation.state === 'waiting') await site.imports.proceed(record.id, 'olga')
    await site.operations.settled(operation.id)
    const ended = site.imports.get(record.id)
    const told = ended.error?.code ?? ended.preflight?.findings.map(({ code }) => code).join(' ')
    t.match(`${ended.state} ${told}`, /^(quarantined .*DD-MIRROR-004|refused DD-)/, why)
    if (ended.state === 'quarantined') {
      t.match(ended.preflight?.findings.find(({ code }) => code === 'DD-MIRROR-004'), { item: 'file:plain@1' }, `${why}: the item is named`)
      await site.imports.reject(record.id, 'a test', 'anton')
      await site.operations.settled(operation.id)
    }
    t.equal(site.fingerprint(), before, `${why}: nothing is left of it`)
  }
  await stillImports(t, here)
})

await t.test('names that are one on other systems stay two here, and each serves its own bytes', async t => {
  const here = await world(t)
  const twins = { 'docs/\u00e9': 'composed', 'docs/e\u0301': 'decomposed', 'docs/Readme': 'upper', 'docs/readme': 'lower', [`docs/${long(255)}`]: 'as long as a name can be' }
  t.match(await here.site.importBundle((await here.good({ files: twins })).file), { state: 'imported' })
  const { catalogue, blobs } = here.site.store
  for (const [path, bytes] of Object.entries(twins)) {
    const item = [...catalogue.current().items('file')].find(each => each.metadata['path'] === path)
    t.equal((await blobs.read(item!.blobs[0]!.digest as Parameters<typeof blobs.read>[0])).toString(), bytes)
  }
  await stillImports(t, here, { sequence: 2, files: { other: 'x' } })
})
