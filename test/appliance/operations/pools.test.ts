import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { checkShape } from '../../../bundles/format/check.ts'
import { eventLine } from '../../../appliance/model/event-line.ts'
import { PoolView } from '../../../appliance/model/view.ts'
import type { Operation } from '../../../appliance/model/operation.ts'
import type { Overrides, Appliance } from '../../../appliance/main/inside/start.ts'
import { ADMIN_TOKEN, SimCiProcess } from '../ci/sim/sim-ci-process.ts'
import { bringBundle, connectSim, initSite, planSite, poolDocument, startSite, type Site } from '../main/site.ts'

t.setTimeout(120_000)
const POOL = 'linux-demo'
const key = (idempotencyKey: string) => ({ actor: 'tess', idempotencyKey })

/** An appliance with the packs imported, a simulated hypervisor and a CI server; everything ends with the test. */
async function open(t: Test, overrides: Overrides = {}): Promise<{ appliance: Appliance; site: Site; ended: (operation: Operation) => Promise<Operation> }> {
  const folder = mkdtempSync(join(tmpdir(), 'drydock-pools-'))
  const ci = new SimCiProcess(join(folder, 'ci'))
  await ci.start()
  const site = await planSite(join(folder, 'site'))
  await initSite(site)
  const bundle = await bringBundle(site)
  const appliance = await startSite(site.config, overrides)
  t.teardown(async () => {
    await appliance.close()
    await ci.kill('SIGTERM')
    rmSync(folder, { recursive: true, force: true })
  })
  await connectSim(appliance, ci.url, ADMIN_TOKEN)
  const { imports, operations } = appliance.services
  const { id } = imports.submitPath(bundle, { actor: 'olga', idempotencyKey: 'i' })
  await until(() => operations.get(id)?.waitingOn === 'proceed')
  await imports.proceed(id, 'olga')
  await until(() => imports.get(id).state === 'awaiting-approval')
  await imports.approve(id, 'paul')
  const ended = async (operation: Operation): Promise<Operation> => {
    await until(() => ['succeeded', 'failed', 'cancelled'].includes(operations.get(operation.id)?.state ?? ''))
    return operations.get(operation.id) ?? operation
  }
  await ended(operations.get(id) as Operation)
  return { appliance, site, ended }
}

async function until(holds: () => boolean): Promise<void> {
  for (const end = Date.now() + 40_000; Date.now() < end; await pause(10)) if (holds()) return
  throw new TypeError('not within 40 seconds')
}

await t.test('a pool is rolled out, changed, rolled back without a bake, and deleted', async t => {
  const { appliance, ended } = await open(t)
  const { pools, events, nodes } = appliance.services
  t.match(await pools.create(poolDocument(), 'first', 'tess'), { revision: 1, parent: null, author: 'tess', change: 'new: debian-12, python-3.11, numpy-1.25.2' })
  t.equal(pools.get(POOL).state, 'not-applied')
  t.match(await ended(pools.apply(POOL, key('a'))), { state: 'succeeded', result: { outcome: 'healthy', revision: 1, baked: true } })
  const first = pools.get(POOL)
  t.match(checkShape(PoolView, first, 'view'), { state: 'healthy', target: 1, lastHealthy: 1, counts: { size: 2, ready: 2 } })

  t.match(await pools.update(POOL, { roles: ['python-3.11', 'numpy-1.26.0'] }, 'for the kernels', 'tess'), { revision: 2, parent: 1, change: 'numpy 1.25.2 → 1.26.0', message: 'for the kernels' })
  t.equal((await pools.update(POOL, { roles: ['python-3.11', 'numpy-1.26.0'] }, 'again', 'tess')).revision, 2, 'the same spec again is no new revision')
  t.match(await pools.diff(POOL), {
    from: 1, to: 2, roles: ['numpy 1.25.2 → 1.26.0'], fields: [], nodesToReplace: 2,
    layers: [{ name: 'base', state: 'same' }, { name: 'python-3.11.2', state: 'same' }, { name: 'numpy-1.26.0', state: 'new' }, { name: 'database', state: 'new' }, { name: 'numpy-1.25.2', state: 'removed' }],
  })
  t.match(await ended(pools.apply(POOL, key('b'))), { state: 'succeeded', result: { revision: 2 } })
  t.not(pools.get(POOL).image, first.image)

  t.match(await ended(pools.rollback(POOL, null, key('c'))), { state: 'succeeded', result: { revision: 3, baked: false, image: first.image ?? '', specDigest: first.specDigest ?? '' } })
  t.match(pools.history(POOL).map(({ revision, rollbackOf, outcome }) => ({ revision, rollbackOf, outcome })), [{ revision: 1, outcome: 'healthy' }, { revision: 2, outcome: 'healthy' }, { revision: 3, rollbackOf: 1, outcome: 'healthy' }])

  const lines = events.list().filter(({ subject }) => subject === `pool:${POOL}`).map(event => eventLine(event).slice(9))
  const [one, two] = [first.image, pools.history(POOL)[1]?.image]
  const [lockOne, lockTwo] = [first.specDigest, pools.history(POOL)[1]?.specDigest]
  t.same(lines, [
    `spec.update   pool=${POOL} diff="+python:3.11 +numpy:1.25.2"`,
    `build.image   roles=[python-3.11,numpy-1.25.2] sha=${one}`,
    `pool.healthy  pool=${POOL} nodes=2 spec=${lockOne}`,
    `spec.update   pool=${POOL} diff=numpy:1.25.2→1.26.0`,
    `build.image   roles=[python-3.11,numpy-1.26.0] sha=${two}`,
    `pool.healthy  pool=${POOL} nodes=2 spec=${lockTwo}`,
    `pool.rollback pool=${POOL} revision=3 to=1 image=${one}`,
    `pool.healthy  pool=${POOL} nodes=2 spec=${lockOne}`,
  ])

  await until(() => nodes.list(POOL).length === 2)
  const names = nodes.list(POOL).map(({ name }) => name)
  await pools.update(POOL, { document: poolDocument({ size: 3 }) }, 'one more', 'tess')
  t.equal((await pools.diff(POOL)).nodesToReplace, 0)
  t.match(await ended(pools.apply(POOL, key('d'))), { state: 'succeeded', result: { baked: false } })
  t.strictSame(nodes.list(POOL).map(({ name }) => name).filter(name => names.includes(name)), names, 'a change of size alone replaces nobody')

  const deletion = pools.delete(POOL, key('e'))
  t.match(await ended(deletion), { state: 'succeeded' })
  t.same([pools.list(), nodes.list()], [[], []])
  t.throws(() => pools.get(POOL), { code: 'DD-POOL-001' })
})

await t.test('a bad revision fails and is rolled back by itself; without that the pool is paused', async t => {
  const { appliance, ended } = await open(t)
  const { pools, connections } = appliance.services
  const sim = appliance.desired.read().connections.hypervisors['sim']
  await connections.addHypervisor({ name: 'sim', kind: 'sim', options: { ...sim?.options, badRoles: { 'numpy-1.26.0': 'verify-fails' } } })
  await pools.create(poolDocument({ rollout: { maxSurge: 1, maxUnavailable: 0, soak: '0s', bootTimeout: '2s', onFailure: 'rollback' } }), 'first', 'tess')
  await ended(pools.apply(POOL, key('a')))
  await pools.update(POOL, { roles: ['python-3.11', 'numpy-1.26.0'] }, 'bad', 'tess')
  t.match(await ended(pools.apply(POOL, key('b'))), { state: 'failed', error: { code: 'DD-POOL-006' } })
  await until(() => pools.history(POOL).length === 3 && pools.get(POOL).state === 'healthy')
  t.match(pools.history(POOL), [{ outcome: 'healthy' }, { outcome: 'failed' }, { outcome: 'healthy', rollbackOf: 1, author: 'drydock' }])

  await pools.update(POOL, { document: poolDocument({ roles: ['python-3.11', 'numpy-1.26.0'], rollout: { maxSurge: 1, maxUnavailable: 0, soak: '0s', bootTimeout: '2s', onFailure: 'pause' } }) }, 'bad again', 'tess')
  t.match(await ended(pools.apply(POOL, key('c'))), { state: 'failed', error: { code: 'DD-POOL-006' } })
  t.match(pools.get(POOL), { state: 'failed', paused: { by: 'drydock' } })

  await connections.addHypervisor({ name: 'sim', kind: 'sim', options: { ...sim?.options, badRoles: {} } })
  await pools.resume(POOL, 'tess')
  t.match(appliance.desired.read().pools[POOL], { paused: null, failuresSince: Number })
  await until(() => pools.get(POOL).state === 'healthy')
  t.match(pools.history(POOL).at(-1), { outcome: 'healthy', failure: undefined }, 'who resumes a failed rollout has it tried again')
})

await t.test('a wrong spec is told in one line with what to do, and nothing is changed', async t => {
  const { appliance } = await open(t)
  const { pools } = appliance.services
  const before = appliance.desired.read()
  const wrong: [object, string, RegExp][] = [
    [{ colour: 'blue' }, 'DD-CORE-009', /only known fields in pool spec spec, found "colour"/],
    [{ size: -1 }, 'DD-CORE-009', /spec\.size/],
    [{ roles: ['python-3.11', 'numpi-1.26.0'] }, 'DD-IMAGE-001', /numpi-1\.26\.0/],
    [{ roles: ['numpy-1.26.0'] }, 'DD-IMAGE-005', /python-3\.11/],
    [{ base: 'debian-13' }, 'DD-IMAGE-002', /debian-13/],
    [{ hypervisors: ['rack-z'] }, 'DD-POOL-003', /rack-z/],
    [{ ci: { connection: 'jenkins', labels: [] } }, 'DD-POOL-003', /jenkins/],
    [{ rollout: { strategy: 'switch' } }, 'DD-POOL-106', /found switch/],
    [{ rollout: { maxSurge: 0, maxUnavailable: '0%' } }, 'DD-POOL-106', /found both 0/],
  ]
  for (const [change, code, message] of wrong) {
    await t.rejects(pools.create(poolDocument(change), 'x', 'tess'), { code, message, hint: /./ }, code)
  }
  await pools.create(poolDocument(), 'first', 'tess')
  await t.rejects(pools.create(poolDocument(), 'twice', 'tess'), { code: 'DD-POOL-002' })
  await t.rejects(pools.update(POOL, { roles: ['nothing-1'] }, 'x', 'tess'), { code: 'DD-IMAGE-001' })
  await t.rejects(pools.update(POOL, { document: { ...poolDocument(), metadata: { name: 'other' } } }, 'x', 'tess'), { code: 'DD-POOL-004' })
  await t.rejects(pools.update(POOL, { document: poolDocument({ rollout: { maxSurge: 0, maxUnavailable: 0 } }) }, 'x', 'tess'), { code: 'DD-POOL-106' })
  t.throws(() => pools.rollback(POOL, null, key('r')), { code: 'DD-POOL-005' })
  t.throws(() => pools.rollback(POOL, 1, key('r')), { code: 'DD-POOL-005' }, 'never baked')
  t.throws(() => pools.apply('nothing', key('x')), { code: 'DD-POOL-001' })
  t.equal(pools.history(POOL).length, 1)
  t.same(before.pools, {})
})

await t.test('a newer apply overtakes one that is still rolling out', async t => {
  const { appliance, ended } = await open(t)
  const { pools } = appliance.services
  await pools.create(poolDocument(), 'first', 'tess')
  await pools.pause(POOL, 'look first', 'tess')
  const first = pools.apply(POOL, key('a'))
  await until(() => appliance.services.operations.get(first.id)?.state === 'waiting')
  await pools.update(POOL, { roles: ['python-3.11', 'numpy-1.26.0'] }, 'better', 'tess')
  const second = pools.apply(POOL, key('b'))
  t.match(await ended(first), { state: 'failed', error: { code: 'DD-POOL-007' } })
  t.match(pools.get(POOL).paused, { by: 'tess', reason: 'look first' }, "a person's pause stays")
  await pools.resume(POOL, 'tess')
  t.match(await ended(second), { state: 'succeeded' })
  t.match(pools.history(POOL), [{ outcome: 'superseded' }, { outcome: 'healthy' }])
})
