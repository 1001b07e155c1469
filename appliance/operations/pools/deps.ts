import type { Clock } from '../../core/clock.ts'
import type { Digest } from '../../core/digest.ts'
import type { BlobStore, Catalogue, CatalogueView } from '../../model/catalogue.ts'
import type { DesiredStore } from '../../model/desired.ts'
import type { ImageManifest } from '../../model/image.ts'
import type { Lock } from '../../model/lock.ts'
import type { NodeRegistry } from '../../model/node.ts'
import type { Progress } from '../../model/operation.ts'
import type { Plan } from '../../model/plan.ts'
import type { PoolSpec } from '../../model/pool.ts'
import type { Operations } from '../operation-kind.ts'

/** What the use cases of pools are given; main joins them. */
export type PoolsDeps = {
  desired: DesiredStore
  operations: Operations
  clock: Clock
  catalogue: Pick<Catalogue, 'current'>
  blobs: Pick<BlobStore, 'put' | 'read'>
  nodes: NodeRegistry
  /** Whether base and roles are here and go together, and nodes can be replaced as `rollout` says. @throws DD-IMAGE-001, 002, 005, 006, DD-POOL-106 */
  checkSpec(spec: PoolSpec, catalogue: CatalogueView): Promise<void>
  resolve(spec: PoolSpec, catalogue: CatalogueView, signal: AbortSignal): Promise<Lock>
  /** Leaves the finished image on disk; one that is there already is not baked again. */
  bake(lock: Lock, run: { signal: AbortSignal; progress(progress: Progress): void }): Promise<ImageManifest>
  /** undefined when there is no such finished image. */
  readImage(digest: Digest): Promise<ImageManifest | undefined>
  /** Tells reconcile to look at the pool now. */
  kick(pool: string): void
  /** The last plan that reconcile made for the pool. */
  lastPlan(pool: string): Plan | undefined
}
