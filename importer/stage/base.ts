import type { Digest } from '../../appliance/core/digest.ts'
import { blobsMissing } from '../../bundles/format/brought.ts'
import type { Finding } from '../../bundles/format/import-record.ts'
import type { VerifiedIndex, VerifiedManifest } from '../../bundles/format/verified.ts'

/** Of a delta that misses something here: what it stands on, how that compares with what came in, and what to do. */
export function baseFindings({ manifest, sequence }: VerifiedManifest, index: VerifiedIndex, holds: (digest: Digest) => boolean): Finding[] {
  if (manifest.base === undefined) return []
  const missing = blobsMissing(index, holds).size
  if (missing === 0) return []
  const text = manifest.baseSequence === undefined ? onReceipt(manifest.base, missing) : onBundle(manifest.base, manifest.baseSequence, sequence.last, missing)
  return [{ severity: 'warning', code: 'delta-base', item: manifest.stream, text, claimed: false }]
}

function onReceipt(base: string, missing: number): string {
  return `this delta stands on the receipt ${base}, and ${blobs(missing)} of what that names: give the sender the newest receipt (drydock receipt export), or have it build without --since`
}

function onBundle(base: string, wanted: number, last: number, missing: number): string {
  const stands = `this delta stands on sequence ${wanted} (${base})`
  const otherwise = `have the sender build with --since-bundle ${last}, if it knows that this came in, or without --since-bundle`
  if (last === 0) return `${stands}, and nothing of this stream and epoch came in here: bring a full bundle first`
  if (last < wanted) return `${stands}, and the last that came in here is ${last}: bring sequence ${wanted} first; or ${otherwise}`
  return `${stands}, and here the last is ${last}, but ${blobs(missing)} of it: another bundle of that number came in, or they were thrown away since; have the sender build without --since-bundle`
}

function blobs(missing: number): string {
  return missing === 1 ? '1 blob is not here' : `${missing} blobs are not here`
}
