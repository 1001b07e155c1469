import type { RecallHit } from '../../../bundles/format/control.ts'
import { itemKey } from '../../../bundles/format/item.ts'
import type { RecallRecord } from '../../../bundles/format/recall.ts'
import type { Catalogue } from '../../../mirror/store/catalogue.ts'
import { openWithdrawn, recallText, type EverHeld, type Withdrawn } from '../../../mirror/store/withdrawn.ts'
import type { Marks } from '../../../importer/verify/index.ts'
import type { Digest } from '../../core/digest.ts'
import { DrydockError } from '../../core/error.ts'
import { lockContents } from '../../images/lock-contents.ts'
import { specDigest } from '../../images/spec-digest.ts'
import type { DesiredStore } from '../../model/desired.ts'
import type { ImageManifest } from '../../model/image.ts'
import type { Lock } from '../../model/lock.ts'
import type { NodeRegistry } from '../../model/node.ts'
import type { RecallView } from '../../model/standing.ts'

type Withdrawals = ReadonlyMap<Digest, RecallRecord>
type Images = { list(): Promise<ImageManifest[]> }

/** @throws DD-IMAGE-017 naming the package and the recall */
export function refuseWithdrawn(lock: Lock, withdrawn: Pick<Withdrawn, 'byDigest'>): void {
  for (const { digest, name } of lockContents(lock)) {
    const recall = withdrawn.byDigest(digest)
    if (recall !== undefined) throw new DrydockError('DD-IMAGE-017', `expected an image without anything withdrawn, found ${name}, ${recallText(recall)}`, 'change the pool\'s roles to what a bundle brings in its place: drydock pool update; images that are baked stay usable')
  }
}

/** The same before a bake; an image that is finished is not made anew. */
export async function refuseNewImage(lock: Lock, withdrawn: Pick<Withdrawn, 'byDigest'>, images: Images): Promise<void> {
  const spec = specDigest(lock)
  const finished = (await images.list()).some(image => image.specDigest === spec)
  if (!finished) refuseWithdrawn(lock, withdrawn)
}

/** Images that hold withdrawn bytes, pools whose target they are, and nodes that run them. Nothing is done about it: that is for people. */
export async function hitsOf(withdrawals: Withdrawals, { images, desired, nodes }: { images: Images; desired: Pick<DesiredStore, 'read'>; nodes: Pick<NodeRegistry, 'list'> }): Promise<RecallHit[]> {
  if (withdrawals.size === 0) return []
  const hits: RecallHit[] = []
  const ofImage = new Map<string, RecallHit[]>()
  for (const image of await images.list()) {
    const named = new Map<string, string[]>()
    for (const { digest, name } of lockContents(image.lock)) {
      const recall = withdrawals.get(digest)
      if (recall !== undefined) named.set(recall.id, [...(named.get(recall.id) ?? []), name])
    }
    const own = [...named].map(([recall, names]): RecallHit => ({ recall, kind: 'image', name: image.digest, what: [...new Set(names)].join(', ') }))
    if (own.length > 0) ofImage.set(image.digest, own)
    hits.push(...own)
  }
  for (const pool of Object.values(desired.read().pools)) {
    const image = pool.revisions.find(({ revision }) => revision === pool.target)?.image
    for (const { recall, what } of ofImage.get(image ?? '') ?? []) hits.push({ recall, kind: 'pool', name: pool.name, what })
  }
  for (const node of nodes.list()) for (const { recall, what } of ofImage.get(node.image) ?? []) hits.push({ recall, kind: 'node', name: node.name, what })
  return hits
}

/** The recall by which nobody gets these bytes any more: it names them, or everything here that has them. */
export function withdrawnBy(digest: Digest, { withdrawn, catalogue }: { withdrawn: Pick<Withdrawn, 'byDigest' | 'byItem' | 'digests'>; catalogue: Pick<Catalogue, 'everHolding'> }): string | undefined {
  if (withdrawn.digests().size === 0) return undefined
  const recalls = catalogue.everHolding(digest).map(item => withdrawn.byItem(item))
  return withdrawn.byDigest(digest)?.id ?? (recalls.every(recall => recall !== undefined) ? recalls[0]?.id : undefined)
}

/** Recalls for people, newest first, lifted ones too. */
export function recallViews(deps: { marks: Pick<Marks, 'recalls'>; catalogue: EverHeld; images: Images; desired: Pick<DesiredStore, 'read'>; nodes: Pick<NodeRegistry, 'list'> }): () => Promise<RecallView[]> {
  return async () => {
    const recalls = deps.marks.recalls()
    return await Promise.all(recalls.toReversed().map(async recall => {
      const alone = openWithdrawn(deps.catalogue, [recall])
      const items = alone.items().map(({ item }): RecallHit => ({ recall: recall.id, kind: 'item', name: itemKey(item), what: recallText(recall) }))
      return { ...recall, hits: [...items, ...(await hitsOf(alone.digests(), deps))] }
    }))
  }
}
