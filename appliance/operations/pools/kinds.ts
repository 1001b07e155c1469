import type { OperationKind } from '../operation-kind.ts'
import { DrydockError } from '../../core/error.ts'
import type { Revision } from '../../model/pool.ts'
import type { PoolsDeps } from './deps.ts'
import { poolOf, revisionOf, targetOf } from './record.ts'
import { changeText, diffText } from './revision-change.ts'
import { APPLIANCE, lockBytes, rollOut } from './rollout.ts'

const lane = (params: { pool: string }): string => `pool:${params.pool}`
const subject = lane

/** `pool apply`: resolve → lock → image → target → healthy. */
export function applyKind(deps: PoolsDeps): OperationKind<{ pool: string; revision: number }> {
  return {
    kind: 'pool.apply',
    lane,
    subject,
    async run(context, params) {
      const { pool: name, revision } = params
      const plan = await context.step('begin', async () => {
        const pool = poolOf(deps.desired.read(), name)
        return { diff: diffText(targetOf(pool)?.spec ?? null, revisionOf(pool, revision).spec) }
      })
      context.emit({ type: 'spec.update', subject: subject(params), fields: { pool: name, diff: plan.diff } })
      const locked = await context.step('lock', async () => {
        const known = revisionOf(poolOf(deps.desired.read(), name), revision)
        if (known.specDigest !== undefined && known.generation !== undefined) return { specDigest: known.specDigest, generation: known.generation }
        const catalogue = deps.catalogue.current()
        const specDigest = await deps.blobs.put(lockBytes(await deps.resolve(known.spec, catalogue, context.signal)))
        return { specDigest, generation: catalogue.generation }
      })
      return await rollOut(context, deps, name, { revision, ...locked }, to => restore(deps, name, revision, to))
    },
  }
}

/** `pool rollback`: a new revision with the old lock, then as apply; the image is there. */
export function rollbackKind(deps: PoolsDeps): OperationKind<{ pool: string; to: number }> {
  return {
    kind: 'pool.rollback',
    lane,
    subject,
    async run(context, params) {
      const { pool: name } = params
      const made = await context.step('revision', async () => {
        const desired = await deps.desired.update(draft => {
          const pool = poolOf(draft, name)
          if (pool.revisions.some(each => each.operation === context.id)) return
          const old = revisionOf(pool, params.to)
          const before = targetOf(pool)
          pool.head += 1
          pool.revisions.push({
            ...structuredClone(lockedPart(old)),
            revision: pool.head,
            parent: pool.target,
            author: context.actor,
            message: `roll back to revision ${params.to}`,
            at: deps.clock.now().toISOString(),
            change: changeText(before?.spec ?? null, old.spec),
            rollbackOf: params.to,
            operation: context.id,
          })
        })
        const revision = poolOf(desired, name).revisions.find(each => each.operation === context.id)
        if (revision?.specDigest === undefined || revision.image === undefined) throw nothingToRollBackTo(name, params.to)
        return { revision: revision.revision, specDigest: revision.specDigest, generation: revision.generation ?? 0, image: revision.image, diff: revision.change }
      })
      context.emit({ type: 'pool.rollback', subject: subject(params), fields: { pool: name, revision: made.revision, to: params.to, image: made.image } })
      return await rollOut(context, deps, name, made, to => restore(deps, name, made.revision, to))
    },
  }
}

/** After a failed rollout; the same failure asks once. */
function restore(deps: PoolsDeps, pool: string, failed: number, to: number): void {
  deps.operations.submit(rollbackKind(deps), { pool, to }, { actor: APPLIANCE, idempotencyKey: `failed:${pool}:${failed}` })
}

function lockedPart({ spec, specDigest, image, generation }: Revision): Pick<Revision, 'spec' | 'specDigest' | 'image' | 'generation'> {
  return { spec, ...(specDigest === undefined ? {} : { specDigest }), ...(image === undefined ? {} : { image }), ...(generation === undefined ? {} : { generation }) }
}

/** `pool delete`: reconcile drains and removes every node, then the pool goes. */
export function deleteKind(deps: PoolsDeps): OperationKind<{ pool: string }> {
  return {
    kind: 'pool.delete',
    lane,
    subject,
    async run(context, params) {
      await context.step('mark', async () => {
        await deps.desired.update(draft => {
          poolOf(draft, params.pool).deleting = true
        })
        return null
      })
      deps.kick(params.pool)
      await context.waitFor(EMPTY)
      await context.step('remove', async () => {
        await deps.desired.update(draft => {
          delete draft.pools[params.pool]
        })
        return null
      })
      context.emit({ type: 'pool.deleted', subject: subject(params), fields: { pool: params.pool } })
      return { pool: params.pool }
    },
  }
}

/** What a deletion waits for: that no node and no machine of the pool is left. */
export const EMPTY = 'empty'

/** @throws DD-POOL-005 */
export function rollbackTarget(pool: { name: string; target: number | null; revisions: readonly Revision[] }, to: number | null): number {
  const baked = pool.revisions.filter(each => each.specDigest !== undefined && each.image !== undefined)
  const found = to === null ? baked.findLast(each => each.outcome === 'healthy' && each.revision < (pool.target ?? 0)) : baked.find(each => each.revision === to)
  if (found === undefined) throw nothingToRollBackTo(pool.name, to)
  return found.revision
}

function nothingToRollBackTo(name: string, to: number | null): DrydockError {
  return new DrydockError('DD-POOL-005', `expected a revision of ${name} with an image to roll back to, found none${to === null ? ' before the present one' : ` numbered ${to}`}`, `list them: drydock pool history ${name}`)
}
