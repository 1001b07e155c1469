import { canonicalJson } from '../../../bundles/format/canonical-json.ts'
import { checkShape } from '../../../bundles/format/check.ts'
import type { Digest } from '../../core/digest.ts'
import { DrydockError } from '../../core/error.ts'
import { Lock } from '../../model/lock.ts'
import type { PoolRecord, Revision } from '../../model/pool.ts'
import type { OperationContext } from '../operation-kind.ts'
import type { PoolsDeps } from './deps.ts'
import { poolOf, revisionOf, targetOf } from './record.ts'
import { nodesDiffer } from './revision-change.ts'

/** What reconcile's verdict looks like when it wakes the operation that waits for it. */
export type Verdict = { outcome: 'healthy'; nodes: number } | { outcome: 'failed'; reason: string; rollbackTo: number | null } | { outcome: 'superseded'; by: number }

/** Who asks for automatic rollbacks and pauses. */
export const APPLIANCE = 'drydock'

/** What a rollout waits for, as `waitFor` and `signal` name it. */
export const ROLLOUT = 'rollout'

/** Reads a lock back from its blob. */
export async function lockOf(deps: PoolsDeps, specDigest: Digest): Promise<Lock> {
  return checkShape(Lock, JSON.parse((await deps.blobs.read(specDigest)).toString('utf8')), 'lock')
}

/**
 * The half that apply and rollback share: image → target → verdict. The revision has its lock by now.
 * Every effect is a step and idempotent: a revision remembers the operation that made it the target.
 */
export async function rollOut(
  context: OperationContext,
  deps: PoolsDeps,
  name: string,
  locked: { revision: number; specDigest: Digest; generation: number },
  restore: (to: number) => void,
): Promise<{ outcome: 'healthy'; revision: number; image: Digest; specDigest: Digest; baked: boolean }> {
  const { revision, specDigest } = locked
  const image = await context.step('image', async () => await makeImage(context, deps, specDigest))
  if (image.baked) {
    context.emit({ type: 'build.image', subject: `pool:${name}`, fields: { roles: rolesText(revisionOf(poolOf(deps.desired.read(), name), revision)), sha: image.digest } })
  }
  await context.step('target', async () => {
    await setTarget(context, deps, name, { ...locked, image: image.digest })
    return null
  })
  deps.kick(name)
  const verdict = await context.waitFor<Verdict>(ROLLOUT)
  if (verdict.outcome === 'healthy') {
    context.emit({ type: 'pool.healthy', subject: `pool:${name}`, fields: { pool: name, nodes: verdict.nodes, spec: specDigest } })
    return { outcome: 'healthy', revision, image: image.digest, specDigest, baked: image.baked }
  }
  if (verdict.outcome === 'superseded') {
    throw new DrydockError('DD-POOL-007', `expected revision ${revision} of ${name} to become healthy, found it overtaken by revision ${verdict.by}`, `follow the newer one: drydock pool status ${name}`)
  }
  context.emit({ type: 'pool.failed', subject: `pool:${name}`, fields: { pool: name, revision, reason: verdict.reason } })
  if (verdict.rollbackTo !== null) {
    const to = verdict.rollbackTo
    await context.step('restore', async () => {
      restore(to)
      return to
    })
  }
  throw new DrydockError(
    'DD-POOL-006',
    `expected revision ${revision} of ${name} to become healthy, found: ${verdict.reason}`,
    verdict.rollbackTo === null ? `the pool is paused: look at its nodes (drydock node list --pool ${name}), then drydock pool resume or rollback ${name}` : `revision ${verdict.rollbackTo} is being restored: drydock pool status ${name}`,
  )
}

/** An image of this lock that is on disk already is used, whichever pool it was baked for. */
async function makeImage(context: OperationContext, deps: PoolsDeps, specDigest: Digest): Promise<{ digest: Digest; baked: boolean }> {
  const known = new Set(Object.values(deps.desired.read().pools).flatMap(pool => pool.revisions).flatMap(each => (each.specDigest === specDigest && each.image !== undefined ? [each.image] : [])))
  for (const image of known) {
    if ((await deps.readImage(image)) !== undefined) return { digest: image, baked: false }
  }
  const lock = await lockOf(deps, specDigest)
  const manifest = await deps.bake(lock, { signal: context.signal, progress: progress => context.progress(progress) })
  return { digest: manifest.digest, baked: true }
}

async function setTarget(context: OperationContext, deps: PoolsDeps, name: string, made: { revision: number; specDigest: Digest; generation: number; image: Digest }): Promise<void> {
  let overtaken: Revision | null = null
  await deps.desired.update(draft => {
    const pool = poolOf(draft, name)
    const revision = revisionOf(pool, made.revision)
    if (pool.target === made.revision && revision.operation === context.id) return
    const before = targetOf(pool)
    if (before !== null && before.outcome === 'rolling-out') {
      overtaken = structuredClone(before)
      before.outcome = 'superseded'
    }
    // A new fence makes every node of before an old one; where only the size or the way of rolling out changed, they may stay.
    if (before === null || before.image !== made.image || nodesDiffer(before.spec, revision.spec) || before.outcome === 'failed') pool.fence += 1
    Object.assign(revision, { specDigest: made.specDigest, generation: made.generation, image: made.image, outcome: 'rolling-out', operation: context.id } satisfies Partial<Revision>)
    pool.target = made.revision
    // A pause of ours after a failure is answered by a new target; a person's is not ours to end.
    if (pool.paused?.by === APPLIANCE) pool.paused = null
  })
  wakeOvertaken(deps, overtaken, made.revision)
}

/** Typed apart, because TypeScript does not see that the closure above assigned. */
function wakeOvertaken(deps: PoolsDeps, overtaken: Revision | null, by: number): void {
  if (overtaken?.operation !== undefined) wake(deps, overtaken.operation, { outcome: 'superseded', by })
}

/** Tells the operation that waits; one that has ended needs no telling. */
export function wake(deps: Pick<PoolsDeps, 'operations'>, operation: string, verdict: Verdict): void {
  const state = deps.operations.get(operation)?.state
  if (state === 'waiting' || state === 'running' || state === 'queued') deps.operations.signal(operation, ROLLOUT, verdict)
}

/** What the record says already, for an operation whose wake-up a crash swallowed. */
export function verdictOf(pool: PoolRecord, revision: Revision, nodes: number): Verdict | null {
  switch (revision.outcome) {
    case 'healthy':
      return { outcome: 'healthy', nodes }
    case 'failed':
      return { outcome: 'failed', reason: revision.failure ?? 'its nodes did not become healthy', rollbackTo: pool.paused === null ? pool.lastHealthy : null }
    case 'superseded':
      return { outcome: 'superseded', by: pool.target ?? pool.head }
    default:
      return null
  }
}

export function rolesText(revision: Revision): string {
  return `[${revision.spec.roles.join(',')}]`
}

/** Canonical JSON, so that the same packages have the same spec digest. */
export function lockBytes(lock: Lock): string {
  return canonicalJson(lock)
}
