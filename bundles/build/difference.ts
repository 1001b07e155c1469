import { ITEM_KINDS, itemKey, type Item, type ItemKind } from '../format/item.ts'

/** `changed`: one version went and one came. `altered`: the same version with other bytes, which no honest upstream does. */
export type Difference = {
  added: Item[]
  removed: Item[]
  changed: { from: Item; to: Item }[]
  altered: { from: Item; to: Item }[]
  same: Item[]
}

/** What makes two lists of items differ. Pure; each list in the order of its keys gives lists in that order. */
export function differenceOf(before: readonly Item[], after: readonly Item[]): Difference {
  const old = new Map(before.map(item => [itemKey(item), item]))
  const now = new Map(after.map(item => [itemKey(item), item]))
  const found: Difference = { added: [], removed: [], changed: [], altered: [], same: [] }
  const gone = Map.groupBy([...old].flatMap(([key, item]) => (now.has(key) ? [] : [item])), nameOf)
  const come = Map.groupBy([...now].flatMap(([key, item]) => (old.has(key) ? [] : [item])), nameOf)
  for (const [key, to] of now) {
    const from = old.get(key)
    if (from === undefined) continue
    if (blobsOf(from) === blobsOf(to)) found.same.push(to)
    else found.altered.push({ from, to })
  }
  // Several versions of one name may stand side by side: only one for one is a change of version.
  for (const [name, items] of come) {
    const before = gone.get(name) ?? []
    if (items.length === 1 && before.length === 1) found.changed.push({ from: before[0]!, to: items[0]! })
    else found.added.push(...items)
  }
  for (const [name, items] of gone) if (items.length !== 1 || come.get(name)?.length !== 1) found.removed.push(...items)
  return found
}

/** Beside what somebody holds, of whom only the blobs are known: an item of which all is there is the same, any other is added. */
export function differenceToInventory(inventory: ReadonlySet<string>, after: readonly Item[]): Difference {
  const parted = Map.groupBy(after, ({ blobs }) => blobs.every(({ digest }) => inventory.has(digest)))
  return { added: parted.get(false) ?? [], removed: [], changed: [], altered: [], same: parted.get(true) ?? [] }
}

/** `newBytes`: of blobs that the other side does not have, each counted at the first item that needs it. */
export type KindDifference = { kind: ItemKind; added: number; removed: number; changed: number; altered: number; same: number; newBytes: number }

export function byKind(found: Difference, holds: (digest: string) => boolean): KindDifference[] {
  const counted = new Set<string>()
  const count = (kind: ItemKind, items: readonly Item[]): number => items.filter(item => item.kind === kind).length
  return ITEM_KINDS.flatMap(kind => {
    const coming = [...found.added, ...found.changed.map(({ to }) => to), ...found.altered.map(({ to }) => to)].filter(item => item.kind === kind)
    let newBytes = 0
    for (const { digest, size } of coming.flatMap(({ blobs }) => blobs)) {
      if (!holds(digest) && !counted.has(digest)) newBytes += size
      counted.add(digest)
    }
    const row = { kind, added: count(kind, found.added), removed: count(kind, found.removed), changed: count(kind, found.changed.map(({ to }) => to)), altered: count(kind, found.altered.map(({ to }) => to)), same: count(kind, found.same), newBytes }
    return row.added + row.removed + row.changed + row.altered + row.same === 0 ? [] : [row]
  })
}

export function digestsOf(items: readonly Item[]): Set<string> {
  return new Set(items.flatMap(({ blobs }) => blobs.map(({ digest }) => digest)))
}

/** Items of one name, whatever their version: what a person calls the same thing. */
function nameOf({ kind, name, variant }: Item): string {
  return `${kind}:${name}#${variant ?? ''}`
}

function blobsOf(item: Item): string {
  return item.blobs.map(({ digest }) => digest).toSorted().join(' ')
}
