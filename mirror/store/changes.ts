import { DrydockError } from '../../appliance/core/error.ts'
import { canonicalJson } from '../../bundles/format/canonical-json.ts'
import { itemKey, type Item, type ItemKind } from '../../bundles/format/item.ts'
import type { MirrorFormat } from './format.ts'

/**
 * What of these items is new or different, each once, in the order of their keys; `replaced` are the keys of those that are different.
 * @param held the item that the current generation has under a key
 * @throws DD-MIRROR-001 when a key would come to mean other bytes
 */
export function changesOf(items: readonly Item[], held: (key: string) => Item | undefined, formatOf: (kind: ItemKind) => MirrorFormat | undefined): { changes: Map<string, Item>; replaced: Set<string> } {
  const changes = new Map<string, Item>()
  const replaced = new Set<string>()
  for (const item of items) {
    const key = itemKey(item)
    const here = held(key)
    const before = changes.get(key) ?? here
    const after = before === undefined || sameBytes(before, item) ? item : formatOf(item.kind)?.merge?.(before, item)
    if (after === undefined) {
      throw new DrydockError('DD-MIRROR-001', `expected ${key} with the bytes that the mirrors hold, found others (${otherBlob(before, item)})`, 'find out which of the two is right; a changed package needs a new version')
    }
    if (before === undefined || canonicalJson(before) !== canonicalJson(after)) {
      changes.set(key, after)
      if (here !== undefined) replaced.add(key)
    }
  }
  return { changes: new Map([...changes].toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))), replaced }
}

function sameBytes(a: Item, b: Item): boolean {
  return canonicalJson(digestsOf(a)) === canonicalJson(digestsOf(b))
}

function digestsOf(item: Item): string[] {
  return [...new Set(item.blobs.map(blob => blob.digest))].toSorted()
}

function otherBlob(before: Item | undefined, item: Item): string {
  const known = new Set(before?.blobs.map(blob => blob.digest))
  const other = item.blobs.find(blob => !known.has(blob.digest))
  return other === undefined ? 'some of them are missing' : `${other.name}: ${other.digest}`
}
