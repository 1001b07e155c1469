import { isDeepStrictEqual } from 'node:util'
import { parseDigest } from '../core/digest.ts'
import type { ImageManifest } from '../model/image.ts'
import type { PlannedRevision } from '../model/plan.ts'
import type { PoolRecord, PoolSpec, Revision } from '../model/pool.ts'

/** What a guest of this image must report. Small, so that it can be kept while the manifest, which may have a megabyte, is not. */
export type ExpectedOfImage = Pick<PlannedRevision, 'image' | 'layers' | 'verifyCount'>

export function expectedOf({ digest, layers, lock }: ImageManifest): ExpectedOfImage {
  const verifyCount = lock.base.verify.length + lock.roles.reduce((sum, role) => sum + role.verify.length, 0)
  return { image: parseDigest(digest), layers: layers.map(layer => layer.verityRoot), verifyCount }
}

/** The revision that a pool works towards, as the planner compares it with what runs. `image` is the revision's own. */
export function plannedRevision(pool: PoolRecord, revision: Revision, image: ExpectedOfImage): PlannedRevision {
  return {
    revision: revision.revision,
    fence: pool.fence,
    spec: revision.spec,
    specDigest: revision.specDigest ?? null,
    operation: revision.operation ?? null,
    ...image,
    alike: pool.revisions.flatMap(other => (other.revision !== revision.revision && makeSameNodes(other, revision) ? [other.revision] : [])),
    failed: revision.outcome === 'failed',
  }
}

/** A size or another way of rolling out changes no node. */
function makeSameNodes(a: Revision, b: Revision): boolean {
  return a.image !== undefined && a.image === b.image && isDeepStrictEqual(nodePart(a.spec), nodePart(b.spec))
}

function nodePart({ hardware, ci, nodeName }: PoolSpec): unknown {
  return { hardware, ci, nodeName }
}

/** The spec that a node was made for; the newest one stands in for a revision that is not kept any more. */
export function specOf(pool: PoolRecord, revision: number): PoolSpec {
  const found = pool.revisions.find(each => each.revision === revision) ?? pool.revisions.at(-1)
  return found!.spec
}
