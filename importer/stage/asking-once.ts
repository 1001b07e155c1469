import type { Item } from '../../bundles/format/item.ts'
import type { CatalogueView } from '../../mirror/store/format.ts'

const NONE: Item[] = []

/** The same view, which looks each name up once: a package of a thousand versions costs a thousand documents, not a million, and 200,000 new names cost one look each. */
export function askingOnce(view: CatalogueView): CatalogueView {
  const known = new Map<string, Item[]>()
  return {
    generation: view.generation,
    items: kind => view.items(kind),
    find(kind, name) {
      const key = `${kind} ${name}`
      const before = known.get(key)
      if (before !== undefined) return before
      const found = view.find(kind, name)
      known.set(key, found.length === 0 ? NONE : found)
      return found
    },
  }
}
