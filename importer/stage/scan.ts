import { asDrydockError } from '../../appliance/core/error.ts'
import type { Finding } from '../../bundles/format/import-record.ts'
import { itemKey, type Item } from '../../bundles/format/item.ts'
import type { BlobStore } from '../../mirror/store/blobs.ts'
import type { MirrorFormat } from '../../mirror/store/format.ts'

/** Items that are looked into at one time: enough to keep the disk busy, few enough for flat memory. */
const AT_ONCE = 4

/**
 * Computes again from the bytes what the sender only claimed: each format checks its items, and every one that does not hold is
 * named. Kinds without a mirror have nothing to check beside their digests.
 */
export async function scanItems(
  items: readonly Item[],
  blobs: BlobStore,
  formats: readonly MirrorFormat[],
  options: { signal: AbortSignal; progress: (done: number, total: number) => void },
): Promise<Finding[]> {
  const findings: Finding[] = []
  let next = 0
  let done = 0
  async function work(): Promise<void> {
    for (let item = items[next++]; item !== undefined; item = items[next++]) {
      options.signal.throwIfAborted()
      const finding = await scanItem(item, blobs, formats)
      if (finding !== undefined) findings.push(finding)
      options.progress(++done, items.length)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  return findings.toSorted((a, b) => (a.item < b.item ? -1 : 1))
}

async function scanItem(item: Item, blobs: BlobStore, formats: readonly MirrorFormat[]): Promise<Finding | undefined> {
  try {
    await formats.find(format => format.kind === item.kind)?.validate(item, blobs)
    return undefined
  } catch (failure) {
    const error = asDrydockError(failure)
    // A full or failing disk says nothing about the item.
    if (error.retryable) throw error
    return { severity: 'blocker', code: error.code, item: itemKey(item), text: error.message, claimed: false }
  }
}
