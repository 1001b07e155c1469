import type { Digest } from '../../appliance/core/digest.ts'
import type { RecallEffect, RecallHit } from '../../bundles/format/control.ts'
import type { Preflight } from '../../bundles/format/import-record.ts'
import { itemKey } from '../../bundles/format/item.ts'
import type { RecallRecord } from '../../bundles/format/recall.ts'
import type { Trust } from '../../bundles/format/trust.ts'
import type { VerifiedIndex, VerifiedManifest } from '../../bundles/format/verified.ts'
import type { Catalogue } from '../../mirror/store/catalogue.ts'
import { openWithdrawn, recallText, type Withdrawn } from '../../mirror/store/withdrawn.ts'
import { afterRecalls, documentIn, judgeTrustChange, loadTrust, recallsIn, type Marks, type TrustedKeys } from '../verify/index.ts'

export type ControlDeps = {
  trust: () => Promise<TrustedKeys>
  marks: Marks
  clock: { now(): Date }
  catalogue: Catalogue
  /** Puts the next trust in force, whole and durable, or not at all. */
  installTrust: (next: Trust) => Promise<void>
  /** What mirrors and imports refuse; told when a recall comes in. */
  withdrawn: Withdrawn
  /** Images, pools and nodes that have these bytes. */
  hits?: (digests: ReadonlyMap<Digest, RecallRecord>) => Promise<RecallHit[]>
}

/** A bundle as it was verified. `manifest.digest` names it for ever. */
export type ControlBundle = { head: { manifest: Uint8Array; signatures: string }; verified: VerifiedManifest; index: VerifiedIndex }

/** What the operator sees of a bundle that brings no content. */
export async function controlPreflight(deps: ControlDeps, control: 'trust' | 'recall', bundle: ControlBundle, preflight: Preflight): Promise<Preflight> {
  const plain = { ...preflight, adds: [], changes: [], findings: preflight.findings.filter(finding => finding.code === 'sequence-jump'), control }
  if (control === 'trust') {
    const { change } = await judgeTrustChange(bundle.head, bundle.verified, bundle.index, await policyNow(deps))
    return { ...plain, affects: [], trust: change }
  }
  const recalls = recallsIn(bundle.index)
  const after = afterRecalls(deps.marks.recalls(), recalls, bundle.verified.digest, deps.clock.now().toISOString())
  const named = new Set(recalls.filter(({ action }) => action === 'recall').map(({ id }) => id))
  const recall: RecallEffect = { recalls, hits: await hitsOf(deps, openWithdrawn(deps.catalogue, after.filter(({ id }) => named.has(id)))) }
  return { ...plain, affects: recall.hits.map(hitText), recall }
}

/**
 * A new trust is in force, or a recall withdraws, from here on. Run again after a kill it finds that it has been done: then the bundle is not
 * judged again, because by the new trust its own signers may be nobody.
 */
export async function takeEffect(deps: ControlDeps, control: 'trust' | 'recall', read: { index: Pick<VerifiedIndex, 'items'>; digest: Digest; again: () => Promise<ControlBundle> }): Promise<RecallHit[]> {
  if (control === 'trust') {
    const next = await loadTrust(documentIn(read.index))
    if (next.digest === (await deps.trust()).digest) return []
    const bundle = await read.again()
    await deps.installTrust((await judgeTrustChange(bundle.head, bundle.verified, bundle.index, await policyNow(deps))).next)
    return []
  }
  const recalls = recallsIn(read.index)
  const before = deps.marks.recalls()
  if (!before.some(({ manifest, lifted }) => manifest === read.digest || lifted?.manifest === read.digest)) {
    const { verified } = await read.again()
    await deps.marks.keepRecalls(afterRecalls(before, recalls, verified.digest, deps.clock.now().toISOString()))
  }
  deps.withdrawn.set(deps.marks.recalls())
  return await hitsOf(deps, openWithdrawn(deps.catalogue, deps.marks.recalls().filter(({ manifest }) => manifest === read.digest)))
}

async function policyNow(deps: ControlDeps): Promise<Parameters<typeof judgeTrustChange>[3]> {
  return { trust: await deps.trust(), mark: deps.marks.trust(), now: deps.clock.now() }
}

async function hitsOf(deps: ControlDeps, withdrawn: Withdrawn): Promise<RecallHit[]> {
  const items = withdrawn.items().map(({ item, recall }): RecallHit => ({ recall: recall.id, kind: 'item', name: itemKey(item), what: recallText(recall) }))
  return [...items, ...((await deps.hits?.(withdrawn.digests())) ?? [])]
}

function hitText({ kind, name, what }: RecallHit): string {
  return kind === 'item' ? `${name} is here: refused by every mirror from then on` : `${kind} ${name}: ${what}`
}
