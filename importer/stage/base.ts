import type { Digest } from '../../appliance/core/digest.ts'
import { blobsMissing } from '../../bundles/format/brought.ts'
import type { Finding } from '../../bundles/format/import-record.ts'
import { itemKey } from '../../bundles/format/item.ts'
import type { Manifest } from '../../bundles/format/manifest.ts'
import type { VerifiedIndex, VerifiedManifest } from '../../bundles/format/verified.ts'
import type { Catalogue } from '../../mirror/store/catalogue.ts'

export type BaseView = {
  holds: (digest: Digest) => boolean
  catalogue: Pick<Catalogue, 'current' | 'diff'>
  /** The generation that an import made, by the digest of its receipt or of its manifest. */
  baseGeneration: (base: Digest) => number | undefined
}

/**
 * What a delta stands on and is not here, in words. Blobs are looked for by themselves, wherever they came from. Items that the sender
 * left out because the base has them are known by the base alone: so it must have come in here, and they must be here still.
 */
export function missingOf({ manifest }: VerifiedManifest, index: VerifiedIndex, here: BaseView): string[] {
  // A full bundle brings every blob of its items; its index was refused otherwise.
  if (manifest.base === undefined) return []
  return [...itemsMissing(manifest, here), ...[...blobsMissing(index, here.holds)].map(([digest, item]) => `${item} ${digest}`)]
}

function itemsMissing({ base, baseSequence, omits, stream }: Manifest, here: BaseView): string[] {
  if (omits === undefined || base === undefined) return []
  const generation = here.baseGeneration(base)
  if (generation === undefined) return [baseSequence === undefined ? `the receipt ${base}, which is none of this appliance` : `sequence ${baseSequence} of ${stream} (${base})`]
  return here.catalogue.diff(generation, here.catalogue.current().generation).removed.map(item => `${itemKey(item)}, which generation ${generation} had`)
}

/** Of a delta that misses something here: what it stands on, how that compares with what came in, and what to do. */
export function baseFindings({ manifest, sequence }: VerifiedManifest, missing: number): Finding[] {
  if (manifest.base === undefined || missing === 0) return []
  const text = manifest.baseSequence === undefined ? onReceipt(manifest.base) : onBundle(manifest.base, manifest.baseSequence, sequence.last)
  return [{ severity: 'warning', code: 'delta-base', item: manifest.stream, text, claimed: false }]
}

function onReceipt(base: string): string {
  return `this delta stands on the receipt ${base}, and not all of what that names is here: give the sender the newest receipt (drydock receipt export), or have it build without --since`
}

function onBundle(base: string, wanted: number, last: number): string {
  const stands = `this delta stands on sequence ${wanted} (${base})`
  const otherwise = `have the sender build with --since-bundle ${last}, or without --since-bundle`
  if (last === 0) return `${stands}, and nothing of this stream and epoch came in here: bring a full bundle first`
  if (last < wanted) return `${stands}, and the last that came in here is ${last}: bring sequence ${wanted} first; or ${otherwise}`
  return `${stands}, and here the last is ${last}, but not all of what that brought is here: another bundle of that number came in, or it was thrown away since; have the sender build without --since-bundle`
}
