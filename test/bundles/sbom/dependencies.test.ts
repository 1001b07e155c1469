import t from 'tap'
import { digestOf } from '../../../appliance/core/digest.ts'
import { itemKey, type Item } from '../../../bundles/format/item.ts'
import { sbomText } from '../../../bundles/sbom/index.ts'
import { officialValidator } from './official-schema.ts'

const faults = officialValidator()

type Graph = { dependencies?: { ref: string; dependsOn?: string[] }[]; compositions?: { aggregate: string; dependencies: string[] }[] }

/** The SBOM of a bundle with these items, as everybody reads it. */
function graphOf(...items: readonly Item[]): { whole: unknown; edges: Record<string, string[]>; incomplete: string[]; known: boolean } {
  const sorted = items.toSorted((a, b) => (itemKey(a) < itemKey(b) ? -1 : 1))
  const manifest = { format: 'drydock-bundle/1', product: 'drydock', name: 'demo', site: 'site-a', stream: 'demo', workspace: 'w', epoch: 0, sequence: 7, created: '2026-01-01T00:00:00Z', index: [], volumes: [{ payloadSize: 0, firstEntry: 0, entries: 0 }], totals: { entries: 0, bytes: 0, items: {} } } as const
  const text = [...sbomText({ manifest: { ...manifest, index: [], volumes: [...manifest.volumes] }, manifestDigest: digestOf('m'), index: { entries: [], items: sorted } })].join('')
  const whole = JSON.parse(text) as Graph
  const { dependencies, compositions } = whole
  return {
    whole, known: dependencies !== undefined, incomplete: compositions?.[0]?.dependencies ?? [],
    edges: Object.fromEntries((dependencies ?? []).map(({ ref, dependsOn = [] }) => [ref, dependsOn])),
  }
}

const npm = (name: string, version: string, manifest: object = {}, tags: string[] = []): Item => ({ kind: 'npm', name, version, metadata: { manifest: { name, version, ...manifest }, tags }, blobs: [], source: `pkg:npm/${name}@${version}` })
const pypi = (name: string, version: string, requires?: string[]): Item => ({ kind: 'pypi', name, version, metadata: { files: [], ...(requires === undefined ? {} : { requires }) }, blobs: [], source: `pkg:pypi/${name}@${version}` })
const deb = (name: string, version: string, fields = '', architecture = 'amd64', suite = 'bookworm'): Item => ({
  kind: 'deb', name, version, variant: `${suite}/${architecture}`, metadata: { suite, component: 'main', architecture, control: `Package: ${name}\nVersion: ${version}\n${fields}`, filename: '' }, blobs: [], source: `pkg:deb/debian/${name}@${version}`,
})

await t.test('npm: every version in the bundle that is in range, also under another name and by tag', async t => {
  const { whole, edges, incomplete } = graphOf(
    npm('app', '1.0.0', { dependencies: { ms: '^2.0.0', other: 'npm:@scope/real@1', tagged: 'next', self: '*' }, devDependencies: { tap: '21' } }),
    npm('ms', '2.0.0'), npm('ms', '2.1.3'), npm('ms', '3.0.0'), npm('@scope/real', '1.4.0'), npm('tagged', '9.0.0-rc.1', {}, ['next']), npm('self', '1.0.0', { dependencies: { self: '1' } }),
  )
  t.same(faults(whole), [])
  t.same(edges['npm:app@1.0.0'], ['npm:@scope/real@1.4.0', 'npm:ms@2.0.0', 'npm:ms@2.1.3', 'npm:self@1.0.0', 'npm:tagged@9.0.0-rc.1'])
  t.same([edges['npm:ms@3.0.0'], edges['npm:self@1.0.0']], [[], []], 'nothing is said as nothing, and nobody needs themselves')
  t.same(incomplete, [])
})

await t.test('npm: what is missing is told, unless it may be: optional ones, optional peers, what lies in the tarball', async t => {
  const { whole, edges, incomplete } = graphOf(
    npm('may', '1.0.0', { optionalDependencies: { fsevents: '2' }, dependencies: { fsevents: '2', inside: '1' }, peerDependencies: { react: '>=18' }, peerDependenciesMeta: { react: { optional: true } }, bundleDependencies: ['inside'] }),
    npm('must', '1.0.0', { dependencies: { gone: '1', there: '1' } }), npm('there', '1.0.0'), npm('peer', '1.0.0', { peerDependencies: { react: '>=18' } }), npm('odd', '1.0.0', { dependencies: { constructor: '1', __proto__x: 'git+ssh://host/x' } }),
  )
  t.same(faults(whole), [])
  t.same([edges['npm:may@1.0.0'], edges['npm:must@1.0.0']], [[], ['npm:there@1.0.0']])
  t.same(incomplete, ['npm:must@1.0.0', 'npm:odd@1.0.0', 'npm:peer@1.0.0'])
})

await t.test('deb: versions, alternatives, what is provided, Pre-Depends; each architecture for itself and with what is for all', async t => {
  const { whole, edges, incomplete } = graphOf(
    deb('tool', '1.0', 'Pre-Depends: dpkg (>= 1.20)\nDepends: libc6 (>= 2.36), mail-transport-agent | mailx, python3:any,\n libssl3 (>= 3.0~), missing (= 2) | also-missing\nRecommends: docs\n'),
    deb('tool', '1.0', 'Depends: libc6 (>= 2.36)\n', 'arm64'),
    deb('libc6', '2.36-9+deb12u9'), deb('libc6', '2.35-1', '', 'amd64', 'old'), deb('libc6', '2.36-9+deb12u9', '', 'arm64'), deb('libc6', '2.37-1', '', 'amd64', 'backports'),
    deb('exim', '4', 'Provides: mail-transport-agent\n'), deb('postfix', '3', 'Provides: mail-transport-agent (= 3), other\n'), deb('mailx', '8'),
    deb('python3', '3.11'), deb('dpkg', '1.21.22'), deb('libssl3', '3.0.11-1~deb12u2'), deb('docs', '1', 'Depends: tool, mail-transport-agent (>= 3)\n', 'all'),
  )
  t.same(faults(whole), [])
  t.same(edges['deb:tool@1.0#bookworm/amd64'], [
    'deb:dpkg@1.21.22#bookworm/amd64', 'deb:exim@4#bookworm/amd64', 'deb:libc6@2.36-9+deb12u9#bookworm/amd64', 'deb:libc6@2.37-1#backports/amd64', 'deb:libssl3@3.0.11-1~deb12u2#bookworm/amd64', 'deb:postfix@3#bookworm/amd64', 'deb:python3@3.11#bookworm/amd64',
  ])
  t.same(edges['deb:tool@1.0#bookworm/arm64'], ['deb:libc6@2.36-9+deb12u9#bookworm/arm64'])
  t.same(edges['deb:docs@1#bookworm/all'], ['deb:postfix@3#bookworm/amd64', 'deb:tool@1.0#bookworm/amd64', 'deb:tool@1.0#bookworm/arm64'], 'only a version that is provided meets one that is asked for')
  t.same(incomplete, ['deb:tool@1.0#bookworm/amd64'])
})

await t.test('pypi: what pip chose; an item of an older collect says nothing, and a delta that has not all of it says so', async t => {
  const { whole, edges, incomplete } = graphOf(pypi('app', '1', ['idna==3.10', 'numpy==1.26.0']), pypi('idna', '3.10', []), pypi('idna', '2', []), pypi('old', '1'))
  t.same(faults(whole), [])
  t.same(edges, { 'pypi:app@1': ['pypi:idna@3.10'], 'pypi:idna@2': [], 'pypi:idna@3.10': [] })
  t.same(incomplete, ['pypi:app@1'])
})

await t.test('kinds of which nothing is known are not in the graph; where nothing at all is known there is none', async t => {
  const file: Item = { kind: 'file', name: 'a', version: '1', metadata: {}, blobs: [], source: 'pkg:generic/a@1' }
  t.equal(graphOf(file).known, false)
  t.same(Object.keys(graphOf(file, npm('ms', '2.1.3')).edges), ['npm:ms@2.1.3'])
})

await t.test('an index made to be slow is told in bounded time: as many needs as versions do not make their square', async t => {
  const count = 3000
  const versions = Array.from({ length: count }, (_, k) => npm('a', `1.0.${k}`, { dependencies: { a: '*', [`b${k}`]: '1' } }))
  const debs = Array.from({ length: count }, (_, k) => deb(`d${k}`, `1.${k}`, `Provides: x\nDepends: x, ${' '.repeat(2000)}!\n`))
  const began = performance.now()
  const { edges, incomplete } = graphOf(...versions, ...debs)
  t.ok(performance.now() - began < 20_000)
  t.ok(Object.values(edges).every(found => found.length <= 64))
  t.equal(incomplete.length, 2 * count)
})
