import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { digestOf } from '../../../appliance/core/digest.ts'
import { bundleOf, person, trustOf } from '../../support/bundles.ts'
import { openSite } from '../../support/import-site.ts'

/** The machine may be busy with other tests. */
t.setTimeout(280_000)

const [ana, jon] = await Promise.all([person('Ana'), person('Jon')])
const signers = [ana.signer, jon.signer]

await t.test('two bundles at once, and the same bundle twice at once: each content comes in once, and every import has a clear end', async t => {
  const site = await openSite(t, { trust: trustOf([ana, jon]) })
  const folder = t.testdir()
  const built = async (stream: string, sequence: number): Promise<string> => (await bundleOf({ folder: join(folder, `${stream}-${sequence}`), signers, stream, sequence, files: { [`${stream}-${sequence}`]: `${stream} ${sequence}`, shared: 'in both' } })).file
  const [first, second, other] = [await built('demo', 1), await built('demo', 2), await built('tools', 1)]
  const ends = await Promise.all([first, first, other, second, first].map(path => site.importBundle(path)))
  const states = ends.map(({ state, error }) => `${state} ${error?.code ?? ''}`.trim())
  t.comment(states.join(', '))
  for (const state of states) t.ok(['imported', 'refused DD-IMPORT-003', 'failed DD-IMPORT-003'].includes(state), state)
  for (const name of ['demo-1', 'tools-1', 'demo-2']) {
    const [stream, sequence] = name.split('-')
    const isHere = site.store.blobs.has(digestOf(`${stream} ${sequence}`))
    const isOvertaken = name === 'demo-1' && !isHere
    t.ok(isHere || isOvertaken, `${name} is here, or was overtaken by a later one of its stream`)
  }
  t.equal(site.marks.get('demo')?.sequence, 2)
  t.equal(site.marks.get('tools')?.sequence, 1)
  const promoted = site.events().filter(({ type }) => type === 'import.promoted')
  t.equal(promoted.length, new Set(promoted.map(({ fields }) => fields['generation'])).size, 'each generation by one import')
  t.equal(site.store.catalogue.current().generation, promoted.length)
  t.same(readdirSync(join(site.folder, 'staging')).filter(name => name !== 'uploads'), [], 'nothing stays staged')
})
