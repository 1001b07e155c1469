import { parseDigest, type Digest } from '../../appliance/core/digest.ts'
import { canonicalJson } from '../../bundles/format/canonical-json.ts'
import { checkShape } from '../../bundles/format/check.ts'
import type { Item } from '../../bundles/format/item.ts'
import type { RenderView } from '../store/format.ts'
import { isManifestType, Manifest, type Descriptor } from './manifest.ts'

const INDEX = 'application/vnd.oci.image.index.v1+json'

/** What the spec wants for a digest that nothing refers to. */
export const NO_REFERRERS = { mediaType: INDEX, body: canonicalJson({ schemaVersion: 2, mediaType: INDEX, manifests: [] }) }

/** Catalogue path of a referrers list → the manifests of these items that name its digest as their subject. */
export async function referrersIn(items: readonly Item[], view: Pick<RenderView, 'blob'>): Promise<Map<string, Descriptor[]>> {
  const found = new Map<string, Descriptor[]>()
  for (const item of items) {
    for (const blob of item.blobs.filter(blob => isManifestType(blob.mediaType))) {
      const digest: Digest = parseDigest(blob.digest)
      const manifest = checkShape(Manifest, JSON.parse((await view.blob(digest)).toString('utf8')), `manifest ${digest}`)
      if (manifest.subject === undefined) continue
      const path = `${item.name}/referrers/${manifest.subject.digest}`
      const artifactType = manifest.artifactType ?? manifest.config?.mediaType
      const descriptor: Descriptor = {
        mediaType: blob.mediaType ?? INDEX,
        digest,
        size: blob.size,
        ...(artifactType === undefined ? {} : { artifactType }),
        ...(manifest.annotations === undefined ? {} : { annotations: manifest.annotations }),
      }
      found.set(path, [...(found.get(path) ?? []), descriptor])
    }
  }
  return found
}

export function mergeReferrers(before: Buffer | undefined, referrers: readonly Descriptor[]): string {
  const old = before === undefined ? [] : ((JSON.parse(before.toString('utf8')) as { manifests: Descriptor[] }).manifests)
  const all = new Map([...old, ...referrers].map(descriptor => [descriptor.digest, descriptor]))
  return canonicalJson({ schemaVersion: 2, mediaType: INDEX, manifests: [...all.values()].toSorted((a, b) => (a.digest < b.digest ? -1 : 1)) })
}
