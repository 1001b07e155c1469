import type { Item, ItemKind } from '../../bundles/format/item.ts'
import { normalisedName } from '../../bundles/format/pypi-name.ts'

/** By kind, or `all` for every kind: `@acme/*`, `acme-*`, `tools/*`. A `*` stands for anything, also for nothing and for slashes. */
export type InternalNames = { [kind in ItemKind | 'all']?: string[] }

/**
 * The pattern that an item's name falls under. Case counts for nothing, and PyPI's names are compared as pip does (PEP 503): a name that
 * differs from ours only so would be taken for ours.
 */
export function internalNameOf(item: Pick<Item, 'kind' | 'name'>, names: InternalNames): string | undefined {
  const spelled = (text: string): string => (item.kind === 'pypi' ? normalisedName(text) : text).toLowerCase()
  const name = spelled(item.name)
  return [...(names[item.kind] ?? []), ...(names.all ?? [])].find(pattern => matches(name, pattern.split('*').map(spelled)))
}

/** Each part behind the one before it, without backtracking: what stands between is what the stars stand for. */
function matches(name: string, parts: readonly string[]): boolean {
  const [first = '', ...rest] = parts
  if (rest.length === 0) return name === first
  if (!name.startsWith(first)) return false
  const last = rest.pop() ?? ''
  let at = first.length
  for (const part of rest) {
    const found = name.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return name.length >= at + last.length && name.endsWith(last)
}
