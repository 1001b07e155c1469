import t from 'tap'
import { join } from 'node:path'
import { digestOf } from '../../../appliance/core/digest.ts'
import { itemKey, type Item } from '../../../bundles/format/item.ts'
import { openBundle } from '../../../bundles/build/index.ts'
import { sbomName, sbomText, type Told } from '../../../bundles/sbom/index.ts'
import { bundleOf, fileItems, person } from '../../support/bundles.ts'
import { officialValidator } from './official-schema.ts'

const faults = officialValidator()
const blob = (name: string) => ({ name, digest: digestOf(name), size: name.length })

/** One of every kind and every way to state a licence, with names that other programs trip over. */
const ITEMS: Item[] = ([
  { kind: 'npm', name: '@scope/left', version: '1.0.0', metadata: { integrity: 'sha512-AA==', tags: ['latest', 'next'], manifest: { hasInstallScript: true } }, blobs: [blob('left.tgz')], source: 'pkg:npm/%40scope/left@1.0.0', licences: ['MIT OR Apache-2.0'] },
  { kind: 'npm', name: 'plain', version: '2.0.0-rc.1+build', metadata: {}, blobs: [blob('plain.tgz')], source: 'pkg:npm/plain@2.0.0-rc.1%2Bbuild', licences: ['ISC'] },
  { kind: 'pypi', name: 'numpy', version: '1.26.4', metadata: { files: [{ filename: 'a.whl', requiresPython: '>=3.9' }, { filename: 'b.whl' }] }, blobs: [blob('a.whl'), blob('b.whl')], source: 'pkg:pypi/numpy@1.26.4', licences: ['BSD-3-Clause', 'MIT'] },
  { kind: 'pypi', name: 'words', version: '1', metadata: {}, blobs: [blob('w.whl')], source: 'pkg:pypi/words@1', licenceClaims: ['BSD', 'see COPYING'] },
  { kind: 'deb', name: 'zlib1g', version: '1:1.2.13.dfsg-1', variant: 'amd64 bookworm', metadata: { suite: 'bookworm', component: 'main', architecture: 'amd64', filename: 'pool/z.deb' }, blobs: [blob('z.deb')], source: 'pkg:deb/debian/zlib1g@1:1.2.13.dfsg-1?arch=amd64', licences: ['Zlib', 'not SPDX'] },
  { kind: 'oci', name: 'library/alpine', version: '3.20', metadata: { digest: digestOf('m'), mediaType: 'application/vnd.oci.image.index.v1+json' }, blobs: [{ ...blob('m'), mediaType: 'application/json' }, blob('layer')], source: 'pkg:oci/alpine@sha256%3Aabc?tag=3.20' },
  { kind: 'file', name: 'a\u001b[31m\u202ename', version: '1', metadata: { path: 'a', executable: true }, blobs: [blob('f')], source: 'no purl at all' },
  { kind: 'role', name: 'cmake', version: '3.25', metadata: {}, blobs: [blob('cmake.yaml')], source: 'pkg:generic/cmake@3.25', upstream: { digest: 'sha512:abc', signedBy: 'someone' } },
  { kind: 'recall', name: 'r', version: '1', metadata: {}, blobs: [], source: '' },
  ...(['image', 'go', 'crate', 'maven', 'nuget', 'trust', 'advisories', 'appliance'] as const).map((kind): Item => ({ kind, name: `a-${kind}`, version: '1', metadata: {}, blobs: [blob(kind)], source: `pkg:generic/${kind}@1` })),
] satisfies Item[]).toSorted((a, b) => (itemKey(a) < itemKey(b) ? -1 : 1))

const told: Told = {
  manifest: {
    format: 'drydock-bundle/1', product: 'drydock', name: 'demo', site: 'site-a', stream: 'demo', workspace: 'w', epoch: 1, sequence: 7, created: '2026-01-01T00:00:00Z', base: digestOf('base'),
    index: [], volumes: [{ payloadSize: 0, firstEntry: 0, entries: 0 }], totals: { entries: 0, bytes: 0, items: {} },
  },
  manifestDigest: digestOf('manifest'),
  index: { entries: [{ name: 'blobs/x', digest: digestOf('left.tgz'), size: 8, volume: 1 }], items: ITEMS },
}

type Component = { type: string; name: string; group?: string; purl?: string; licenses?: unknown; hashes?: { alg: string; content: string }[]; components?: Component[]; properties: { name: string; value: string }[]; 'bom-ref': string }
type Sbom = { serialNumber: string; components: Component[]; metadata: { timestamp: string }; dependencies?: unknown }
const read = (pieces: Iterable<string>) => JSON.parse([...pieces].join('')) as Sbom
const sbom = read(sbomText(told))
const named = (name: string) => sbom.components.find(component => component.name === name)!

await t.test('the official schema of CycloneDX 1.6 takes it, whatever the items are', async t => {
  t.same(faults(sbom), [])
  t.same(faults(read(sbomText({ ...told, index: { entries: [], items: [] } }))), [], 'an empty one too')
  t.not(JSON.stringify(faults({ ...sbom, components: [{ type: 'thing', name: 'x' }] })), '[]', 'the validator does refuse')
})

await t.test('one component an item, found again by its key', async t => {
  t.same(sbom.components.map(component => component['bom-ref']), ITEMS.map(itemKey))
  t.match(named('left'), { type: 'library', group: '@scope', purl: 'pkg:npm/%40scope/left@1.0.0', hashes: [{ alg: 'SHA-256', content: digestOf('left.tgz').slice(7) }] })
  t.same(named('numpy').components?.map(({ name }) => name), ['a.whl', 'b.whl'], 'every file of a release has its own hash')
  t.equal(named('numpy').hashes, undefined)
  const property = (component: Component, name: string) => component.properties.filter(each => each.name === `drydock:${name}`).map(each => each.value)
  t.same(property(named('left'), 'npm:tag'), ['latest', 'next'])
  t.same(property(named('left'), 'travels'), ['in this bundle'])
  t.same(property(named('plain'), 'travels'), ['held by the receiver'])
  t.same(property(named('zlib1g'), 'deb:suite'), ['bookworm'])
  t.same([named('a\u001b[31m\u202ename').purl, property(named('a\u001b[31m\u202ename'), 'source')], [undefined, ['no purl at all']])
})

await t.test('licences are SPDX where they are SPDX, and words where they are words', async t => {
  t.same(named('left').licenses, [{ expression: 'MIT OR Apache-2.0', acknowledgement: 'declared' }])
  t.same(named('plain').licenses, [{ license: { id: 'ISC', acknowledgement: 'declared' } }])
  t.same(named('numpy').licenses, [{ expression: 'BSD-3-Clause AND MIT', acknowledgement: 'declared' }])
  t.match(named('words').licenses, [{ license: { name: 'BSD' } }, { license: { name: 'see COPYING' } }])
  t.match(named('zlib1g').licenses, [{ license: { name: 'not SPDX' } }, { license: { name: 'Zlib' } }])
  t.equal(named('a-go').licenses, undefined)
})

await t.test('the same bundle gives the same bytes: no clock, no chance', async t => {
  t.equal([...sbomText(told)].join(''), [...sbomText(structuredClone(told))].join(''))
  t.match(sbom.serialNumber, /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  t.not(read(sbomText({ ...told, manifestDigest: digestOf('another') })).serialNumber, sbom.serialNumber)
  t.equal(new Date(sbom.metadata.timestamp).getTime(), new Date('2026-01-01T00:00:00Z').getTime())
  t.equal(sbomName(told.manifest), 'demo-0007.cdx.json')
  t.match([...sbomText(told)].join(''), /^[\n -~]*$/, 'no name can steer a terminal')
})

await t.test('every volume of a real set tells the same', async t => {
  const folder = t.testdir()
  const ana = await person('Ana Ruiz')
  const items = fileItems(join(folder, 'blobs'), Object.fromEntries(Array.from({ length: 40 }, (_, k) => [`f${k}`, 'x'.repeat(3000 + k)])))
  const built = await bundleOf({ folder, signers: [ana.signer], items, volumeBytes: 140_000 })
  t.ok(built.volumes.length > 1)
  const texts = await Promise.all(built.volumes.map(async ({ file }) => {
    const opened = await openBundle(file)
    await opened.close()
    return [...sbomText(opened)].join('')
  }))
  t.equal(new Set(texts).size, 1)
  t.same(faults(JSON.parse(texts[0]!)), [])
})
