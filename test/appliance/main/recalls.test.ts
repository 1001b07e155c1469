import t from 'tap'
import { digestOf } from '../../../appliance/core/digest.ts'
import { hitsOf, refuseNewImage, refuseWithdrawn } from '../../../appliance/main/inside/recalls.ts'
import { specDigest } from '../../../appliance/images/spec-digest.ts'
import type { Lock } from '../../../appliance/model/lock.ts'
import type { RecallRecord } from '../../../bundles/format/recall.ts'

const deb = (name: string) => ({ name, version: '1', architecture: 'amd64', digest: digestOf(name), size: 1 })
const file = (name: string) => ({ name, digest: digestOf(name), size: 1 })
const lock = (wheel: string): Lock => ({
  format: 'drydock-lock/1', baker: 1, os: 'linux', arch: 'amd64', agent: digestOf('agent'),
  base: { name: 'debian', version: '12', pack: digestOf('base'), sourceDateEpoch: 0, debs: [deb('libc6')], kernel: deb('linux-image'), verify: [] },
  roles: [{ role: 'numpy', version: '1.26.0', pack: digestOf('numpy pack'), debs: [deb('libblas')], wheels: [file(wheel)], files: [{ from: file('tools/x'), to: '/x', mode: '0644' }], env: {}, verify: [] }],
})
const recall: RecallRecord = { id: 'r-1', reason: 'it steals keys', severity: 'critical', date: '2026-11-21T08:00:00Z', digests: [], items: [], replacement: 'numpy 1.26.4', manifest: digestOf('bundle'), at: '2026-11-21T08:00:00Z', lifted: null }
const bad = lock('numpy-bad.whl')
const good = lock('numpy-good.whl')
const image = (of: Lock, name: string) => ({ digest: digestOf(name), specDigest: specDigest(of), lock: of }) as never
const withdrawing = (name: string) => ({ byDigest: (digest: string) => (digest === digestOf(name) ? recall : undefined) })

await t.test('no part of a lock may be withdrawn: base, role, kernel, packages, wheels and files', async t => {
  for (const name of ['base', 'numpy pack', 'linux-image', 'libc6', 'libblas', 'numpy-bad.whl', 'tools/x']) {
    t.throws(() => refuseWithdrawn(bad, withdrawing(name)), { code: 'DD-IMAGE-017', message: /withdrawn by recall r-1 \(critical\): it steals keys; use numpy 1\.26\.4 instead/ }, name)
  }
  t.doesNotThrow(() => refuseWithdrawn(good, withdrawing('numpy-bad.whl')))
})

await t.test('an image that is there already is not made anew, so a rollback to it stays possible', async t => {
  const images = (list: never[]) => ({ list: () => Promise.resolve(list) })
  await t.rejects(refuseNewImage(bad, withdrawing('numpy-bad.whl'), images([])), { code: 'DD-IMAGE-017' })
  await t.resolves(refuseNewImage(bad, withdrawing('numpy-bad.whl'), images([image(bad, 'image')])))
})

await t.test('images that hold it, pools whose target they are and nodes that run them are named', async t => {
  const pool = (name: string, target: string) => [name, { name, target: 2, revisions: [{ revision: 1, image: digestOf('bad image') }, { revision: 2, image: digestOf(target) }] }]
  const deps = {
    images: { list: () => Promise.resolve([image(bad, 'bad image'), image(good, 'good image')]) },
    desired: { read: () => ({ pools: Object.fromEntries([pool('linux-a', 'bad image'), pool('linux-b', 'good image')]) }) as never },
    nodes: { list: () => [{ name: 'lin-1', image: digestOf('bad image') }, { name: 'lin-2', image: digestOf('good image') }] as never },
  }
  t.same((await hitsOf(new Map([[digestOf('numpy-bad.whl'), recall]]), deps)).map(({ kind, name, what }) => [kind, name, what]), [
    ['image', digestOf('bad image'), 'numpy-bad.whl'], ['pool', 'linux-a', 'numpy-bad.whl'], ['node', 'lin-1', 'numpy-bad.whl'],
  ])
  t.same(await hitsOf(new Map(), deps), [])
})
