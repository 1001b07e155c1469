import { isDeepStrictEqual } from 'node:util'
import { parseDigest } from '../core/digest.ts'
import type { ImageManifest } from '../model/image.ts'
import type { PlannedRevision } from '../model/plan.ts'
import type { PoolRecord, PoolSpec, Revision } from '../model/pool.ts'

/** The revision that a pool works towards, as the planner compares it with what runs. `image` is the revision's own. */
export function plannedRevision(pool: PoolRecord, revision: Revision, image: ImageManifest): PlannedRevision {
  return {
    revision: revision.revision,
    fence: pool.fence,
    spec: revision.spec,
    specDigest: revision.specDigest ?? null,
    operation: revision.operation ?? null,
    image: parseDigest(image.digest),
    layers: image.layers.map(layer => layer.verityRoot),
    verifyCount: image.lock.base.verify.length + image.lock.roles.reduce((sum, role) => sum + role.verify.length, 0),
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
