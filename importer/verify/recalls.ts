import type { Digest } from '../../appliance/core/digest.ts'
import { DrydockError } from '../../appliance/core/error.ts'
import { checkShape } from '../../bundles/format/check.ts'
import { Recall, type RecallRecord } from '../../bundles/format/recall.ts'
import type { VerifiedIndex } from '../../bundles/format/verified.ts'

/** What a recall bundle says, in the order of its items. @throws DD-IMPORT-020, 021, DD-CORE-009 */
export function recallsIn(index: Pick<VerifiedIndex, 'items'>): Recall[] {
  return index.items.map(item => {
    const recall = checkRecall(item.metadata['recall'], `recall ${item.name}`)
    if (item.kind === 'recall' && item.name === recall.id && item.version === recall.date && item.blobs.length === 0) return recall
    throw new DrydockError('DD-IMPORT-020', `expected an item that names recall ${recall.id} of ${recall.date} and brings no files, found ${item.name} ${item.version} with ${item.blobs.length}`, 'make it with `drydock recall bundle`')
  })
}

/** @throws DD-CORE-009, DD-IMPORT-021 when it says nothing, or lifts and withdraws at once */
export function checkRecall(value: unknown, what: string): Recall {
  const recall = checkShape(Recall, value, what)
  const names = recall.digests.length + recall.items.length
  if ((recall.action === 'recall') === names > 0) return recall
  throw new DrydockError(
    'DD-IMPORT-021',
    recall.action === 'recall' ? `expected ${what} to name digests or items, found neither` : `expected ${what}, which lifts another, to name no digests and no items, found ${names}`,
    recall.action === 'recall' ? 'say what is withdrawn: npm:left-pad@1.3.0, or sha256:…' : 'a lift takes back all of the recall of its id; withdraw the rest again under another id',
  )
}

/**
 * What is withdrawn after these: a recall of a known id adds to it and never takes a digest away, so that nothing is lifted in passing;
 * a lift takes back all of it, and one of an id that nobody knows here changes nothing. The same bundle twice is the same as once.
 */
export function afterRecalls(known: readonly RecallRecord[], recalls: readonly Recall[], manifest: Digest, at: string): RecallRecord[] {
  const records = new Map(known.map(record => [record.id, record]))
  for (const recall of recalls) {
    const before = records.get(recall.id)
    if (recall.action === 'lift') {
      if (before !== undefined && before.lifted === null) records.set(recall.id, { ...before, lifted: { at, reason: recall.reason, manifest } })
      continue
    }
    const standing = before?.lifted === null ? before : undefined
    records.set(recall.id, {
      id: recall.id, reason: recall.reason, severity: recall.severity, date: recall.date, replacement: recall.replacement ?? null, manifest, lifted: null,
      at: standing?.manifest === manifest ? standing.at : at,
      digests: [...new Set([...(standing?.digests ?? []), ...recall.digests])],
      items: [...new Set([...(standing?.items ?? []), ...recall.items])],
    })
  }
  return [...records.values()]
}
