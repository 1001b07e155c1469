import { readdirSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { itemKey, ITEM_KINDS } from '../../../bundles/format/item.ts'
import { digestFromHex } from '../../../appliance/core/digest.ts'
import type { Operation } from '../../../appliance/model/operation.ts'
import type { Revision } from '../../../appliance/model/pool.ts'
import type { Appliance, Overrides } from '../../../appliance/main/inside/start.ts'
import { connectSim, poolDocument, startSite } from '../main/site.ts'
import { instantOf, type Task } from './kill-task.ts'

/**
 * The appliance of the kill test: starts, does what people and reconcile do until the pool was rolled out, changed and rolled back, and says
 * what is there. Run again after a kill it does only what is left, as people would.
 */
const task = JSON.parse(process.argv[2] ?? '') as Task
const targets = new Set(task.targets)
const CHANNEL = 3
const POOL = 'linux-demo'
const MINUTE = 60_000

/** Tells the parent and stands still in this very instant, the whole thread, until the kill. */
const onJournal: NonNullable<Overrides['onJournal']> = (record, when) => {
  const instant = instantOf(record, when)
  writeSync(CHANNEL, `seen ${instant}\n`)
  if (!targets.has(instant)) return
  writeSync(CHANNEL, `kill ${instant}\n`)
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
}

const appliance = await startSite(task.config, { onJournal })
await connectSim(appliance, task.ciUrl, task.ciToken)
await importBundle()
const { pools } = appliance.services
if (pools.list().length === 0) await pools.create(poolDocument(), 'first', 'tess')
await rolledOut(1, () => pools.apply(POOL, { actor: 'tess', idempotencyKey: 'apply-1' }))
if (pools.get(POOL).head === 1) await pools.update(POOL, { roles: ['python-3.11', 'numpy-1.26.0'] }, 'numpy 1.26', 'tess')
await rolledOut(2, () => pools.apply(POOL, { actor: 'tess', idempotencyKey: 'apply-2' }))
await rolledOut(3, () => pools.rollback(POOL, null, { actor: 'tess', idempotencyKey: 'rollback-1' }))
await until('only the new nodes are left', () => appliance.services.nodes.list(POOL).length === 2)
const facts = await factsOf(appliance)
await appliance.close()
writeSync(CHANNEL, `done ${JSON.stringify(facts)}\n`)
process.exit(0)

async function importBundle(): Promise<void> {
  const { imports, operations } = appliance.services
  const { id } = imports.submitPath(task.bundle, { actor: 'olga', idempotencyKey: 'import-1' })
  await until('the bundle is imported', async () => {
    const record = imports.get(id)
    if (record.error !== null) throw new TypeError(`import: ${record.error.code} ${record.error.message}`)
    if (operations.get(id)?.waitingOn === 'proceed') await imports.proceed(id, 'olga')
    // A kill between the approval and its signal leaves an approval that nobody heard of; the approver presses again.
    if (operations.get(id)?.waitingOn === 'approval') await imports.approve(id, 'paul')
    return operations.get(id)?.state === 'succeeded'
  })
}

async function rolledOut(revision: number, ask: () => Operation): Promise<void> {
  const found = (): Revision | undefined => pools.history(POOL).find(each => each.revision === revision)
  const operation = found()?.outcome === undefined ? ask().id : (found()?.operation ?? '')
  await until(`revision ${revision} is healthy`, () => {
    const now = appliance.services.operations.get(operation)
    if (now?.error != null) throw new TypeError(`${now.kind}: ${now.error.code} ${now.error.message}`)
    return now?.state === 'succeeded' && found()?.outcome === 'healthy'
  })
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + MINUTE; Date.now() < end; await pause(10)) if (await holds()) return
  const { nodes, events } = appliance.services
  throw new TypeError(`not within a minute: ${what}\n${JSON.stringify(pools.list(), null, 1)}\n${JSON.stringify(nodes.list(), null, 1)}\n${JSON.stringify(events.list().slice(-20))}`)
}

/** Everything that must be the same, however often the appliance was killed; what names a moment or a random id is left out. */
async function factsOf({ services, desired }: Appliance) {
  const { dataDir } = task.config
  const [record] = services.imports.list()
  const receipt = JSON.parse(services.imports.receipt(record?.id ?? '').receipt) as { inventoryDigest: string; sequence: number; generation: number }
  const view = services.catalogue.current()
  const { pools: desiredPools, connections, policy, siteId, trust } = desired.read()
  const revisions = (list: readonly Revision[]) => list.map(revision => ({ ...revision, at: null, operation: null }))
  const told = services.events.list().filter(({ operation, subject }) => operation !== null && !subject.startsWith('node:'))
  return {
    generation: view.generation,
    items: ITEM_KINDS.flatMap(kind => [...view.items(kind)].map(item => `${itemKey(item)} ${item.blobs.map(({ digest }) => digest).join(' ')}`)).toSorted(),
    inventory: receipt.inventoryDigest,
    receipt: { sequence: receipt.sequence, generation: receipt.generation },
    imports: services.imports.list().map(({ state, sequence, approvals }) => ({ state, sequence, approvals: approvals.map(({ user }) => user) })),
    locks: desiredPools[POOL]?.revisions.map(({ specDigest }) => specDigest),
    images: readdirSync(join(dataDir, 'images')).toSorted().map(name => (/^[0-9a-f]{64}$/.test(name) ? digestFromHex(name) : name)),
    desired: {
      siteId, trust, policy, hypervisors: connections.hypervisors, ci: Object.keys(connections.ci),
      pools: Object.values(desiredPools).map(pool => ({ ...pool, revisions: revisions(pool.revisions) })),
    },
    nodes: services.nodes.list(POOL).map(({ phase, revision, fence, image }) => ({ phase, revision, fence, image })),
    machines: readdirSync(join(dataDir, 'sim', 'sim')).filter(name => !name.startsWith('.')).length,
    operations: services.operations.list().map(({ kind, state }) => `${kind} ${state}`),
    events: told.map(({ type, fields }) => `${type} ${JSON.stringify(fields)}`),
    staging: readdirSync(join(dataDir, 'staging')),
  }
}

