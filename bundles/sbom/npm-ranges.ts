import { satisfies, validRange } from 'semver'
import type { Item } from '../format/item.ts'
import { remembered, type Needs } from './needs.ts'

/** `npm:other@^2` under another name. */
const ALIAS = /^npm:((?:@[^/@]+\/)?[^@]+)(?:@(.*))?$/

/**
 * What the manifests of a bundle's versions declare (dependencies, peers, and optional ones that are there), met by every version in it that
 * is in range: two projects may have locked two of them, and a reader who looks for what a bad version reaches must find both.
 */
export function npmNeeds(items: readonly Item[]): (item: Item) => Needs | undefined {
  const byName = new Map<string, Item[]>()
  for (const item of items) {
    const before = byName.get(item.name)
    if (before === undefined) byName.set(item.name, [item])
    else before.push(item)
  }
  const inRange = remembered((name: string, text: string) => inRangeOf(byName, name, text))
  return ({ metadata: { manifest } }) => {
    if (!isRecord(manifest)) return undefined
    const optional = words(manifest['optionalDependencies'])
    const peers = words(manifest['peerDependencies'])
    const meta = isRecord(manifest['peerDependenciesMeta']) ? manifest['peerDependenciesMeta'] : {}
    const bundled = new Set(Array.isArray(manifest['bundleDependencies']) ? manifest['bundleDependencies'] : [])
    const mayLack = (name: string): boolean => Object.hasOwn(optional, name) || (isRecord(meta[name]) && meta[name]['optional'] === true)
    const met: Item[] = []
    let lacks = false
    for (const [name, range] of Object.entries({ ...peers, ...words(manifest['dependencies']), ...optional })) {
      // It lies inside of the tarball.
      if (bundled.has(name)) continue
      const { items: found, whole } = inRange(name, range)
      met.push(...found)
      if (!whole || (found.length === 0 && !mayLack(name))) lacks = true
    }
    return { met, lacks }
  }
}

function inRangeOf(byName: ReadonlyMap<string, Item[]>, name: string, text: string): Item[] {
  const [, aliased = name, range = ''] = ALIAS.exec(text) ?? [undefined, name, text]
  const all = byName.get(aliased) ?? []
  if (validRange(range) !== null) return all.filter(({ version }) => satisfies(version, range))
  // A tag, or an address, which no mirror serves.
  return all.filter(({ metadata: { tags } }) => Array.isArray(tags) && tags.includes(range))
}

function words(value: unknown): Record<string, string> {
  if (!isRecord(value)) return {}
  return Object.fromEntries(Object.entries(value).flatMap(([name, range]) => (typeof range === 'string' ? [[name, range]] : [])))
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
