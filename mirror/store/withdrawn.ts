import type { Digest } from '../../appliance/core/digest.ts'
import type { Item, ItemKind } from '../../bundles/format/item.ts'
import { normalisedName } from '../../bundles/format/pypi-name.ts'
import { RECALLED_ITEM, type RecallRecord } from '../../bundles/format/recall.ts'

/** What recalls have withdrawn, as those ask who serve, import and bake. Lifted recalls count for nothing here. */
export type Withdrawn = {
  /** One map lookup: asked for every request. */
  byDigest(digest: Digest): RecallRecord | undefined
  /** Named by a recall, or with bytes that one names. */
  byItem(item: Pick<Item, 'kind' | 'name' | 'version' | 'blobs' | 'metadata'>): RecallRecord | undefined
  digests(): ReadonlyMap<Digest, RecallRecord>
  /** The items here, of any generation, that recalls in force name or hold bytes of: for people. */
  items(): { item: Item; recall: RecallRecord }[]
  /** Counts from the next request on. */
  set(recalls: readonly RecallRecord[]): void
}

/** What of the catalogue is needed to know which bytes an item's name stands for, in every generation. */
export type EverHeld = { everHeld(kind: ItemKind, name: string): Item[]; everHolding(digest: Digest): Item[] }

/** Nothing is withdrawn. */
export const NOTHING_WITHDRAWN: Pick<Withdrawn, 'byDigest' | 'byItem'> = { byDigest: () => undefined, byItem: () => undefined }

type Named = { kind: ItemKind; name: string; version: string; recall: RecallRecord }

export function openWithdrawn(catalogue: EverHeld, recalls: readonly RecallRecord[]): Withdrawn {
  let digests = new Map<Digest, RecallRecord>()
  let named: Named[] = []
  let byName = new Map<string, Named[]>()

  function set(next: readonly RecallRecord[]): void {
    const inForce = next.filter(recall => recall.lifted === null)
    named = inForce.flatMap(recall => recall.items.map(key => ({ ...parsed(key), recall })))
    byName = Map.groupBy(named, nameKey)
    const found = new Map<Digest, RecallRecord>()
    for (const recall of inForce) for (const digest of recall.digests) found.set(digest, recall)
    for (const each of named) for (const item of itemsOf(catalogue, each)) for (const digest of bytesOf(item)) if (!found.has(digest)) found.set(digest, each.recall)
    digests = found
  }
  set(recalls)

  const byKey = (item: Pick<Item, 'kind' | 'name' | 'version'>): RecallRecord | undefined => byName.get(nameKey(item))?.find(({ version }) => version === '*' || version === item.version)?.recall
  return {
    byDigest: digest => digests.get(digest),
    byItem(item) {
      if (digests.size === 0 && byName.size === 0) return undefined
      return byKey(item) ?? item.blobs.map(blob => digests.get(blob.digest)).find(recall => recall !== undefined)
    },
    digests: () => digests,
    items() {
      const found = new Map<Item, RecallRecord>()
      const keys = new Set<string>()
      const add = (item: Item, recall: RecallRecord): void => {
        const key = `${recall.id} ${item.kind}:${item.name}@${item.version}#${item.variant ?? ''}`
        if (!keys.has(key)) found.set(item, recall)
        keys.add(key)
      }
      for (const each of named) for (const item of itemsOf(catalogue, each)) add(item, each.recall)
      for (const [digest, recall] of digests) if (recall.digests.includes(digest)) for (const item of catalogue.everHolding(digest)) add(item, recall)
      return [...found].map(([item, recall]) => ({ item, recall }))
    },
    set,
  }
}

function parsed(key: string): { kind: ItemKind; name: string; version: string } {
  const [, kind, name, version] = RECALLED_ITEM.exec(key) as unknown as [string, ItemKind, string, string]
  return { kind, name, version }
}

const spelled = (kind: ItemKind, name: string): string => (kind === 'pypi' ? normalisedName(name) : name)
const nameKey = ({ kind, name }: { kind: ItemKind; name: string }): string => `${kind}:${spelled(kind, name)}`

function itemsOf(catalogue: EverHeld, { kind, name, version }: Named): Item[] {
  return catalogue.everHeld(kind, name).filter(item => version === '*' || item.version === version)
}

/**
 * The bytes that go with an item. Layers of a container image are shared with others, and without its manifest nobody pulls one, so only
 * manifests go; a recall that means a layer names its digest.
 */
function bytesOf(item: Item): Digest[] {
  if (item.kind !== 'oci') return item.blobs.map(blob => blob.digest)
  const root = item.metadata['digest']
  return item.blobs.filter(({ digest, mediaType }) => digest === root || /manifest|image\.index/.test(mediaType ?? '')).map(blob => blob.digest)
}

/** What a client and an operator read, in one line. */
export function recallText(recall: Pick<RecallRecord, 'id' | 'severity' | 'reason' | 'replacement'>): string {
  return `withdrawn by recall ${recall.id} (${recall.severity}): ${recall.reason}${recall.replacement === null ? '' : `; use ${recall.replacement} instead`}`
}
