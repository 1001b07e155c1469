import { isDeepStrictEqual } from 'node:util'
import { DrydockError } from '../core/error.ts'
import type { PoolDocument, Revision } from '../model/pool.ts'
import type { Pools, Request } from '../model/use-cases.ts'
import type { PoolsDeps } from './pools/deps.ts'
import { applyKind, deleteKind, EMPTY, rollbackKind, rollbackTarget } from './pools/kinds.ts'
import { poolDiff, type Side } from './pools/pool-diff.ts'
import { poolView } from './pools/pool-view.ts'
import { poolOf, refuseDeleting, revisionOf, targetOf } from './pools/record.ts'
import { changeText, nodesDiffer } from './pools/revision-change.ts'
import { APPLIANCE, lockOf, verdictOf, wake } from './pools/rollout.ts'
import { checkDocument } from './pools/spec-check.ts'

export type { PoolsDeps } from './pools/deps.ts'

/** What reconcile tells back. Each may be told again: the first time counts. */
export type Verdicts = {
  /** Every node of the target revision is healthy and no old one is left. */
  declareHealthy(pool: string, revision: number, nodes: number): Promise<void>
  /** @param rollbackTo the revision to restore; null pauses the pool for a person. */
  failRollout(pool: string, revision: number, reason: string, rollbackTo: number | null): Promise<void>
  /** A pool that is being deleted has neither node nor machine left. */
  declareEmpty(pool: string): void
  /** At start: wakes operations whose verdict is in the record already. */
  recover(): void
}

/** A diff is asked for by somebody who waits; resolving takes seconds. */
const DIFF_MS = 120_000

export function createPools(deps: PoolsDeps): Pools & Verdicts {
  const { desired, operations, clock } = deps
  const [apply, rollback, remove] = [applyKind(deps), rollbackKind(deps), deleteKind(deps)]
  operations.register(apply)
  operations.register(rollback)
  operations.register(remove)

  const record = (name: string) => poolOf(desired.read(), name)

  function view(name: string) {
    const pool = record(name)
    const underWay = operations.list({ subject: `pool:${name}`, limit: 20 }).find(({ state }) => state === 'queued' || state === 'running' || state === 'waiting')
    return poolView(pool, deps.nodes.list(name), deps.lastPlan(name), underWay)
  }

  async function checked(value: unknown): Promise<PoolDocument> {
    const document = checkDocument(value, desired.read().connections)
    await deps.checkSpec(document.spec, deps.catalogue.current())
    return document
  }

  function revision(change: Pick<Revision, 'revision' | 'parent' | 'author' | 'message' | 'change' | 'spec'>): Revision {
    return { ...change, at: clock.now().toISOString() }
  }

  async function sideOf(of: Revision): Promise<Side> {
    const lock = of.specDigest === undefined ? await deps.resolve(of.spec, deps.catalogue.current(), AbortSignal.timeout(DIFF_MS)) : await lockOf(deps, of.specDigest)
    return { revision: of.revision, spec: of.spec, lock }
  }

  return {
    list: () => Object.keys(desired.read().pools).toSorted().map(view),
    get: view,
    history: name => [...record(name).revisions],

    async create(document, message, author) {
      const { metadata, spec } = await checked(document)
      const first = revision({ revision: 1, parent: null, author, message, change: changeText(null, spec), spec })
      await desired.update(draft => {
        if (Object.hasOwn(draft.pools, metadata.name)) {
          throw new DrydockError('DD-POOL-002', `expected a new pool name, found ${metadata.name} taken`, `choose another name, or change that pool: drydock pool update ${metadata.name} --file FILE`)
        }
        draft.pools[metadata.name] = { name: metadata.name, revisions: [first], head: 1, target: null, lastHealthy: null, paused: null, fence: 0 }
      })
      return first
    },

    async update(name, change, message, author) {
      const head = revisionOf(record(name), record(name).head)
      const wanted = change.document ?? { apiVersion: 'drydock/v1', kind: 'Pool', metadata: { name }, spec: { ...head.spec, roles: change.roles ?? head.spec.roles } }
      const { metadata, spec } = await checked(wanted)
      if (metadata.name !== name) throw new DrydockError('DD-POOL-004', `expected a document of pool ${name}, found one of ${metadata.name}`, 'give the right file, or create the other pool')
      let made = head
      await desired.update(draft => {
        const pool = poolOf(draft, name)
        refuseDeleting(pool)
        const before = revisionOf(pool, pool.head)
        made = before
        if (isDeepStrictEqual(before.spec, spec)) return
        made = revision({ revision: pool.head + 1, parent: pool.head, author, message, change: changeText(before.spec, spec), spec })
        pool.revisions.push(made)
        pool.head = made.revision
      })
      return made
    },

    async diff(name) {
      const pool = record(name)
      const head = revisionOf(pool, pool.head)
      const target = targetOf(pool)
      const to = await sideOf(head)
      const from = target === null ? null : await sideOf(target)
      const replaced = from !== null && (!isDeepStrictEqual(from.lock, to.lock) || nodesDiffer(from.spec, to.spec))
      return poolDiff(from, to, replaced ? deps.nodes.list(name).length : 0)
    },

    apply(name, request) {
      const pool = record(name)
      refuseDeleting(pool)
      return operations.submit(apply, { pool: name, revision: pool.head }, request)
    },

    rollback(name, to, request) {
      const pool = record(name)
      refuseDeleting(pool)
      return operations.submit(rollback, { pool: name, to: rollbackTarget(pool, to) }, request)
    },

    async pause(name, reason, by) {
      await desired.update(draft => {
        poolOf(draft, name).paused = { by, reason, at: clock.now().toISOString() }
      })
      deps.kick(name)
    },

    async resume(name) {
      await desired.update(draft => {
        const pool = poolOf(draft, name)
        if (pool.paused === null) return
        pool.paused = null
        // Who resumes a failed rollout has looked at it: it is tried again, and what failed before is forgiven.
        const target = targetOf(pool)
        if (target?.outcome !== 'failed') return
        target.outcome = 'rolling-out'
        delete target.failure
        pool.failuresSince = clock.now().getTime()
      })
      deps.kick(name)
    },

    delete(name, request: Request) {
      record(name)
      return operations.submit(remove, { pool: name }, request)
    },

    async declareHealthy(name, number, nodes) {
      const after = await desired.update(draft => {
        const pool = poolOf(draft, name)
        const target = targetOf(pool)
        if (target?.revision !== number || target.outcome !== 'rolling-out') return
        target.outcome = 'healthy'
        pool.lastHealthy = number
      })
      const target = revisionOf(poolOf(after, name), number)
      if (target.operation !== undefined && target.outcome === 'healthy') wake(deps, target.operation, { outcome: 'healthy', nodes })
    },

    async failRollout(name, number, reason, rollbackTo) {
      const after = await desired.update(draft => {
        const pool = poolOf(draft, name)
        const target = targetOf(pool)
        if (target?.revision !== number || target.outcome !== 'rolling-out') return
        target.outcome = 'failed'
        target.failure = reason
        if (rollbackTo === null) pool.paused = { by: APPLIANCE, reason, at: clock.now().toISOString() }
      })
      const target = revisionOf(poolOf(after, name), number)
      if (target.outcome !== 'failed') return
      if (target.operation !== undefined) wake(deps, target.operation, { outcome: 'failed', reason, rollbackTo })
    },

    declareEmpty(name) {
      const deletion = operations.list({ subject: `pool:${name}`, state: 'waiting', limit: 20 }).find(each => each.kind === remove.kind && each.waitingOn === EMPTY)
      if (deletion !== undefined) operations.signal(deletion.id, EMPTY, null)
    },

    recover() {
      for (const pool of Object.values(desired.read().pools)) {
        for (const each of pool.revisions) {
          const verdict = each.operation === undefined ? null : verdictOf(pool, each, deps.nodes.list(pool.name).filter(node => node.phase === 'healthy').length)
          if (each.operation !== undefined && verdict !== null) wake(deps, each.operation, verdict)
        }
      }
    },
  }
}
