import { hexOf, parseDigest, type Digest } from '../../appliance/core/digest.ts'
import { asDrydockError, DrydockError } from '../../appliance/core/error.ts'
import { checkShape } from '../../bundles/format/check.ts'
import type { Item } from '../../bundles/format/item.ts'
import type { BlobStore } from '../store/blobs.ts'
import { itemFault, shown } from '../store/item-fault.ts'
import { isManifestType, Manifest, type Descriptor } from './manifest.ts'

/** A manifest larger than this is no manifest; the same limit as registries have. */
const MANIFEST_BYTES = 4 * 1024 * 1024
/** Index → index → manifest is more than anybody needs; a deeper nest is a trick. */
const MAX_DEPTH = 4

/**
 * Walks from the tag's manifest to every layer: all of it must be in the item, of the size that its descriptor says, and nothing may
 * be fetched from elsewhere. A platform of an index that the bundle left out is allowed: its manifest is then simply not there.
 * @throws DD-MIRROR-004 naming the item and the descriptor
 */
export async function validateTree(item: Item, root: { digest: Digest; mediaType: string }, blobs: BlobStore): Promise<void> {
  const held = new Map(item.blobs.map(blob => [blob.digest, blob]))
  if (!held.has(root.digest)) throw itemFault(item, `its manifest ${root.digest} among its blobs`, 'it is not there')
  // Rendering reads every blob that calls itself a manifest, also those that no index names.
  for (const blob of item.blobs) if (isManifestType(blob.mediaType)) await readManifest(item, parseDigest(blob.digest), blobs)

  // An index may name one child a thousand times, and each of those the next: what was walked at a depth is not walked there again.
  const walked = new Set<string>()
  const walk = async (digest: Digest, mediaType: string, depth: number): Promise<void> => {
    const step = `${depth} ${digest} ${mediaType}`
    if (walked.has(step)) return
    walked.add(step)
    if (depth > MAX_DEPTH) throw itemFault(item, `at most ${MAX_DEPTH} indexes inside each other`, 'more')
    const manifest = await readManifest(item, digest, blobs)
    if (manifest.mediaType !== undefined && manifest.mediaType !== mediaType) throw itemFault(item, `mediaType ${shown(mediaType)} of ${hexOf(digest).slice(0, 12)}`, shown(manifest.mediaType))
    for (const descriptor of [...(manifest.config === undefined ? [] : [manifest.config]), ...(manifest.layers ?? [])]) {
      requireHeld(item, descriptor, held)
      if (descriptor.urls !== undefined) throw itemFault(item, 'layers that are in the bundle', `one at ${shown(descriptor.urls[0])}`)
    }
    for (const child of manifest.manifests ?? []) {
      if (!held.has(child.digest)) continue
      requireHeld(item, child, held)
      if (isManifestType(child.mediaType)) await walk(parseDigest(child.digest), child.mediaType, depth + 1)
    }
    if (depth === 1 && manifest.manifests !== undefined && !manifest.manifests.some(child => held.has(child.digest))) throw itemFault(item, 'at least one of the manifests its index names', 'none')
  }
  await walk(root.digest, root.mediaType, 1)
}

function requireHeld(item: Item, descriptor: Descriptor, held: ReadonlyMap<string, { size: number }>): void {
  const blob = held.get(descriptor.digest)
  if (blob === undefined) throw itemFault(item, `the blob ${descriptor.digest} that its manifest names`, 'it is not there')
  if (blob.size !== descriptor.size) throw itemFault(item, `${descriptor.size} bytes in ${descriptor.digest}`, `${blob.size}`)
}

async function readManifest(item: Item, digest: Digest, blobs: BlobStore): Promise<Manifest> {
  const size = blobs.size(digest) ?? 0
  if (size > MANIFEST_BYTES) throw itemFault(item, `a manifest of at most ${MANIFEST_BYTES} bytes`, `${size} bytes`)
  const bytes = await blobs.read(digest)
  try {
    return checkShape(Manifest, JSON.parse(bytes.toString('utf8')), `manifest ${digest}`)
  } catch (failure) {
    if (failure instanceof DrydockError) throw itemFault(item, 'a manifest by the OCI image spec', asDrydockError(failure).message)
    throw itemFault(item, 'a manifest in JSON', 'bytes that are none')
  }
}
