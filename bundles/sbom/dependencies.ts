import { itemKey, type Item, type ItemKind } from '../format/item.ts'
import { debNeeds } from './deb-relations.ts'
import type { Needs } from './needs.ts'
import { npmNeeds } from './npm-ranges.ts'

/** One node of the graph in CycloneDX's words. */
export type Dependency = { ref: string; dependsOn: string[]; complete: boolean }

/** Kinds whose items say what they need. All others are left out of the graph, which CycloneDX reads as "not known". */
const GRAPHS: Partial<Record<ItemKind, (items: readonly Item[]) => (item: Item) => Needs | undefined>> = { npm: npmNeeds, pypi: pypiNeeds, deb: debNeeds }

/** One after the other, in the order of the items; those of which nothing is known are left out. */
export function* dependenciesOf(items: readonly Item[]): Generator<Dependency> {
  const needs = new Map<ItemKind, (item: Item) => Needs | undefined>()
  for (const item of items) {
    const graph = GRAPHS[item.kind]
    if (graph === undefined) continue
    const needsOf = needs.get(item.kind) ?? graph(items.filter(({ kind }) => kind === item.kind))
    needs.set(item.kind, needsOf)
    const found = needsOf(item)
    if (found !== undefined) yield { ref: itemKey(item), dependsOn: [...new Set(found.met.filter(met => met !== item).map(itemKey))].toSorted(), complete: !found.lacks }
  }
}

/** What pip chose for the release's Requires-Dist: collect wrote it down, because markers hold on a target and not in an index. */
function pypiNeeds(items: readonly Item[]): (item: Item) => Needs | undefined {
  const byRelease = new Map(items.map(item => [`${item.name}==${item.version}`, item]))
  return ({ metadata: { requires } }) => {
    if (!Array.isArray(requires)) return undefined
    const met = requires.map((release: unknown) => (typeof release === 'string' ? byRelease.get(release) : undefined))
    return { met: met.filter(item => item !== undefined), lacks: met.includes(undefined) }
  }
}
