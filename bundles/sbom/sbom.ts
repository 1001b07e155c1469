import { Enums, Models, Serialize, Spec } from '@cyclonedx/cyclonedx-library'
import { hexOf, type Digest } from '../../appliance/core/digest.ts'
import { blobsBrought } from '../format/brought.ts'
import type { Index } from '../format/index-file.ts'
import type { Manifest } from '../format/manifest.ts'
import { componentOf } from './component.ts'
import { dependenciesOf } from './dependencies.ts'
import { properties } from './properties.ts'
import { serialNumber } from './serial-number.ts'

/** A bundle as its manifest and index tell it; whether anybody's signature was judged is for the caller to say. */
export type Told = { manifest: Manifest; manifestDigest: Digest; index: Index }

const normalizers = new Serialize.JSON.Normalize.Factory(Spec.Spec1dot6)
const SORTED = { sortLists: true } as const

/**
 * CycloneDX 1.6 (ECMA-424) as JSON, piece by piece: one component an item, so that 10⁶ items need no more memory than one. It is a pure
 * function of manifest and index, without clock or chance, so sender and receiver get the same bytes, and whoever trusts the manifest can
 * trust it. An item of which it is not known what it needs is left out of the graph: CycloneDX reads an empty list as "nothing".
 */
export function* sbomText({ manifest, manifestDigest, index }: Told): Generator<string> {
  const bom = new Models.Bom({ serialNumber: serialNumber(manifestDigest), metadata: metadataOf(manifest, manifestDigest) })
  const { components: _none, dependencies: _later, ...head } = normalizers.makeForBom().normalize(bom, SORTED)
  const brought = blobsBrought(index)
  yield ascii(JSON.stringify(head, null, 2)).replace(/\n\}$/, ',\n  "components": [')
  const components = normalizers.makeForComponent()
  for (const [k, item] of index.items.entries()) {
    yield `${k === 0 ? '' : ','}\n    ${ascii(JSON.stringify(components.normalize(componentOf(item, ({ digest }) => brought.has(digest)), SORTED)))}`
  }
  yield `${index.items.length === 0 ? '' : '\n  '}]`
  yield* graphText(index)
  yield '\n}\n'
}

/** Nothing where nothing is known. What needs more than is here is named in a composition: its list is not all. */
function* graphText(index: Index): Generator<string> {
  let first = true
  const incomplete: string[] = []
  for (const { ref, dependsOn, complete } of dependenciesOf(index.items)) {
    yield `${first ? ',\n  "dependencies": [' : ','}\n    ${ascii(JSON.stringify(dependsOn.length === 0 ? { ref } : { ref, dependsOn }))}`
    first = false
    if (!complete) incomplete.push(ref)
  }
  if (!first) yield '\n  ]'
  if (incomplete.length > 0) yield `,\n  "compositions": [\n    ${ascii(JSON.stringify({ aggregate: 'incomplete', dependencies: incomplete }))}\n  ]`
}

/** The same JSON in ASCII: what a name holds cannot move a cursor or turn the direction of text, wherever somebody prints this. */
function ascii(json: string): string {
  return json.replace(/[\u007f-\uffff]/g, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

function metadataOf(manifest: Manifest, digest: Digest): Models.Metadata {
  const bundle = new Models.Component(Enums.ComponentType.Data, manifest.name, {
    bomRef: 'bundle',
    version: `${manifest.epoch}.${manifest.sequence}`,
    hashes: new Models.HashDictionary([[Enums.HashAlgorithm['SHA-256'], hexOf(digest)]]),
    properties: properties({ kind: 'bundle', site: manifest.site, stream: manifest.stream, epoch: manifest.epoch, sequence: manifest.sequence, workspace: manifest.workspace, base: manifest.base, expires: manifest.expires }),
  })
  return new Models.Metadata({
    timestamp: new Date(manifest.created),
    component: bundle,
    // Without a version: an older reader must get the same bytes as a newer one.
    tools: new Models.Tools({ components: new Models.ComponentRepository([new Models.Component(Enums.ComponentType.Application, 'drydock', { bomRef: 'drydock' })]) }),
  })
}

/** `demo-0007.cdx.json`, beside `demo-0007.v1-of-1.drydock`. */
export function sbomName({ name, sequence }: Pick<Manifest, 'name' | 'sequence'>): string {
  return `${name}-${String(sequence).padStart(4, '0')}.cdx.json`
}
