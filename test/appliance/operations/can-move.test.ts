import t from 'tap'
import type { Item } from '../../../bundles/format/item.ts'
import type { PoolRecord } from '../../../appliance/model/pool.ts'
import { poolsThatCanMove } from '../../../appliance/operations/pools/can-move.ts'

const pack = (name: string, version: string): Item => ({ kind: 'role', name, version, metadata: {}, blobs: [], source: `pkg:generic/${name}@${version}` })
const pool = (name: string, roles: string[]): PoolRecord => ({
  name, head: 1, target: 1, lastHealthy: 1, paused: null, fence: 1,
  revisions: [{
    revision: 1, parent: null, author: 'ana', message: 'm', at: '2026-11-20T00:00:00Z', change: '',
    spec: { os: 'linux', size: 1, base: 'debian-12', roles, nodeName: 'lin', hardware: { cpus: 1, memory: '1GiB' }, ci: { connection: 'ci', labels: [] }, hypervisors: ['local'] },
  }],
})

await t.test('the preflight names the pools that could take what a bundle brings', async t => {
  const pools = [pool('linux-perf', ['python-3.11', 'numpy-1.25.2']), pool('docs', ['cmake'])]
  t.same(poolsThatCanMove(pools, [pack('numpy', '1.26.0')]), ['linux-perf can move to numpy-1.26.0'])
  t.same(poolsThatCanMove(pools, [pack('numpy', '1.25.2'), pack('clang', '16')]), [], 'what it has already, and what it does not use')
  t.same(poolsThatCanMove(pools, [{ ...pack('numpy', '1.26.0'), kind: 'pypi' }]), [], 'a package of that name is no role')
})
