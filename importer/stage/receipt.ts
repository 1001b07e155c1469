import { digestOf, type Digest } from '../../appliance/core/digest.ts'
import { canonicalJson } from '../../bundles/format/canonical-json.ts'
import type { Scan } from '../../bundles/format/import-record.ts'
import { ITEM_KINDS } from '../../bundles/format/item.ts'
import type { Manifest } from '../../bundles/format/manifest.ts'
import type { Receipt } from '../../bundles/format/receipt.ts'
import type { CatalogueView } from '../../mirror/store/format.ts'

export type ReceiptFacts = {
  applianceId: string
  site: string
  manifest: Manifest
  digest: Digest
  view: CatalogueView
  at: string
  signers: readonly { fingerprint: string; name: string }[]
  submittedBy: string
  approvedBy: readonly string[]
  scans: readonly Scan[]
}

/** What the appliance says it holds after an import: with it the sender makes the next delta, and an auditor sees who agreed. */
export function receiptOf(facts: ReceiptFacts): Receipt {
  const { inventory, counts, items } = inventoryOf(facts.view)
  return {
    format: 'drydock-receipt/1',
    applianceId: facts.applianceId,
    site: facts.site,
    stream: facts.manifest.stream,
    epoch: facts.manifest.epoch,
    sequence: facts.manifest.sequence,
    manifest: facts.digest,
    generation: facts.view.generation,
    at: facts.at,
    signers: facts.signers.map(({ fingerprint, name }) => ({ fingerprint, name })),
    submittedBy: facts.submittedBy,
    approvedBy: [...facts.approvedBy],
    inventoryDigest: digestOf(canonicalJson(inventory)),
    inventory,
    counts,
    items,
    ...(facts.scans.length === 0 ? {} : { scans: facts.scans.map(scanOf) }),
    refused: [],
    missing: [],
  }
}

function scanOf({ scanner, version, definitions }: Scan): NonNullable<Receipt['scans']>[number] {
  return { scanner, version, ...(definitions === undefined || definitions === null ? {} : { definitions: definitions.version }) }
}

function inventoryOf(view: CatalogueView): Required<Pick<Receipt, 'inventory' | 'counts' | 'items'>> {
  const digests = new Set<Digest>()
  const items: Digest[] = []
  const counts: Record<string, number> = {}
  for (const kind of ITEM_KINDS) {
    for (const item of view.items(kind)) {
      counts[kind] = (counts[kind] ?? 0) + 1
      for (const blob of item.blobs) digests.add(blob.digest)
      // The catalogue keeps canonical JSON, so its fields stand in that order still; one whose do not travels again, no more.
      items.push(digestOf(JSON.stringify(item)))
    }
  }
  return { inventory: [...digests].toSorted(), counts, items: items.toSorted() }
}
