import type { Digest } from '../../appliance/core/digest.ts'
import { blobsBrought } from '../../bundles/format/brought.ts'
import type { Finding, Preflight, ScannerState } from '../../bundles/format/import-record.ts'
import { ITEM_KINDS, itemKey, type Item, type ItemKind } from '../../bundles/format/item.ts'
import { licenceSummary } from '../../bundles/format/licence.ts'
import type { VerifiedIndex, VerifiedManifest } from '../../bundles/format/verified.ts'
import type { CatalogueView } from '../../mirror/store/format.ts'
import { askingOnce } from './asking-once.ts'
import { baseFindings } from './base.ts'
import { findingsOf, type FindingPolicy } from './findings.ts'

/** Bytes a second that a plain disk takes, and that one core hashes; for the estimate that a person sees. */
const WRITE_RATE = 200e6
const HASH_RATE = 500e6
/** Seconds for each item that is looked into before approval. */
const SCAN_SECONDS = 0.005

export type PreflightInput = {
  /** The file's name, for people. */
  bundle: string
  verified: VerifiedManifest
  index: VerifiedIndex
  /** How much of what it stands on is not here. */
  missing: number
  view: CatalogueView
  holds: (digest: Digest) => boolean
  /** Pools that something of this could move; they change nothing by themselves. */
  affects: (items: readonly Item[]) => string[]
  policy: FindingPolicy
  freeBytes: number
  /** Who will look at the blobs, and what is wrong with that before they do. */
  scanners?: { states: readonly ScannerState[]; warnings: readonly Finding[] }
}

/** What the operator sees before any payload is stored. Pure: everything it needs is given. */
export function preflightOf(input: PreflightInput): Preflight {
  const { manifest } = input.verified
  const view = askingOnce(input.view)
  const { adds, changes, news } = compare(input.index.items, view)
  const { newBytes, presentBytes } = bytesOf(input.index, input.holds)
  const { bytes } = manifest.totals
  return {
    bundle: input.bundle,
    manifest: input.verified.digest,
    site: manifest.site,
    stream: manifest.stream,
    epoch: manifest.epoch,
    sequence: manifest.sequence,
    lastSequence: input.verified.sequence.last,
    created: manifest.created,
    volumes: manifest.volumes.length,
    size: bytes,
    signers: [...input.verified.signers],
    role: input.verified.role,
    threshold: input.verified.threshold,
    adds,
    changes,
    newBytes,
    presentBytes,
    findings: [...sequenceFindings(input.verified), ...baseFindings(input.verified, input.missing), ...(input.scanners?.warnings ?? []), ...findingsOf(input.index.items, view, input.policy, true)],
    ...(input.scanners === undefined ? {} : { scanners: [...input.scanners.states] }),
    affects: input.affects(news),
    licences: licencesOf(input.index.items),
    freeBytes: input.freeBytes,
    seconds: Math.ceil(newBytes / WRITE_RATE + bytes / HASH_RATE + input.index.items.length * SCAN_SECONDS),
  }
}

/** So many licences are listed: a hostile bundle could state another one for each item. */
const LISTED_LICENCES = 20

function licencesOf(items: readonly Item[]): NonNullable<Preflight['licences']> {
  const { known, unknown, silent } = licenceSummary(items)
  const sum = (counts: typeof known): number => counts.reduce((total, count) => total + count.items, 0)
  return { stated: known.slice(0, LISTED_LICENCES), others: sum(known.slice(LISTED_LICENCES)), unknown: sum(unknown), silent }
}

type Comparison = Pick<Preflight, 'adds' | 'changes'> & { news: Item[] }

/** An item is a change when its name is here in other versions only, an addition when the key is not here. */
function compare(items: readonly Item[], view: CatalogueView): Comparison {
  const counts = new Map<ItemKind, number>()
  const changes: Preflight['changes'] = []
  const news: Item[] = []
  for (const item of items) {
    const here = view.find(item.kind, item.name).filter(other => other.variant === item.variant)
    if (here.some(other => itemKey(other) === itemKey(item))) continue
    news.push(item)
    counts.set(item.kind, (counts.get(item.kind) ?? 0) + 1)
    if (here.length > 0) changes.push({ kind: item.kind, name: item.name, from: here.map(other => other.version).toSorted(byVersion).at(-1)!, to: item.version })
  }
  return { adds: ITEM_KINDS.flatMap(kind => (counts.has(kind) ? [{ kind, count: counts.get(kind)! }] : [])), changes, news }
}

/** For people only: `1.9` before `1.10`. What is really newer, each package manager decides by its own rules. */
const collator = new Intl.Collator('en', { numeric: true })
function byVersion(a: string, b: string): number {
  return collator.compare(a, b)
}

function bytesOf(index: VerifiedIndex, holds: (digest: Digest) => boolean): { newBytes: number; presentBytes: number } {
  const sum = { newBytes: 0, presentBytes: 0 }
  for (const [digest, { size }] of blobsBrought(index)) sum[holds(digest) ? 'presentBytes' : 'newBytes'] += size
  return sum
}

function sequenceFindings(verified: VerifiedManifest): Finding[] {
  if (verified.sequence.jump === null) return []
  return [{ severity: 'warning', code: 'sequence-jump', item: verified.manifest.stream, text: `${verified.sequence.jump}: a second approver must agree`, claimed: false }]
}
