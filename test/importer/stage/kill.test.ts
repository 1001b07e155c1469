import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { digestOf } from '../../../appliance/core/digest.ts'
import { bundleOf, person, trustOf } from '../../support/bundles.ts'
import { openSite, treeHash } from '../../support/import-site.ts'

const STEPS = ['found', 'read-head', 'verify', 'stage', 'scan', 'approvals', 'approved', 'promote', 'receipt', 'mark', 'clean']
const PHASES = ['intent', 'effect', 'result']

t.setTimeout(280_000)

await t.test('an import that is killed at every instant of its journal ends as one that was not killed', async t => {
  const [ana, jon, appliance] = await Promise.all([person('Ana'), person('Jon'), person('appliance')])
  const folder = t.testdir()
  const { file } = await bundleOf({ folder, signers: [ana.signer, jon.signer], files: { a: 'first', 'docs/b': Buffer.alloc(400_000, 'b'), c: 'third' } })
  const trust = trustOf([ana, jon])
  const run = async (name: string, ...more: string[]): Promise<Ran> => {
    const { promise, resolve } = Promise.withResolvers<Ran>()
    const child = execFile(process.execPath, [join(import.meta.dirname, 'import-process.ts'), join(folder, name), file, ...more], { env: { ...process.env, NODE_COMPILE_CACHE: join(folder, 'cache') } }, (_failure, stdout, stderr) => resolve({ status: child.exitCode, signal: child.signalCode, stdout, stderr }))
    return await promise
  }
  for (const name of ['whole', 'killed']) {
    mkdirSync(join(folder, name))
    writeFileSync(join(folder, name, 'people.json'), JSON.stringify({ trust, secret: appliance.secret, publicKey: appliance.public }))
  }
  t.match(await run('whole'), { status: 0, stdout: /"succeeded"/ })

  let kills = 0
  let last = await run('killed', '--kill')
  for (; last.signal === 'SIGKILL' && kills < 200; last = await run('killed', '--kill')) kills++
  t.match(last, { status: 0, stdout: /"succeeded","state":"imported"/ }, `after ${kills} kills: ${last.stderr}`)
  t.comment(`${kills} kills`)

  const hits = new Set(readFileSync(join(folder, 'killed', 'hits'), 'utf8').split('\n'))
  for (const step of STEPS) for (const phase of PHASES) for (const when of ['before', 'after']) t.ok(hits.has(`${when} ${phase} of ${step}`), `killed ${when} the ${phase} of ${step}`)
  for (const lane of ['lane:verifying', 'lane:payload', 'lane:front']) for (const when of ['before', 'after']) t.ok(hits.has(`${when} result of ${lane}`), `killed ${when} it stood in the lane of ${lane}`)

  const [whole, killed] = await Promise.all(['whole', 'killed'].map(name => outcome(t, join(folder, name), trust, appliance)))
  t.same(killed, whole)
  t.same(readdirSync(join(folder, 'killed', 'staging')), [])
})

type Ran = { status: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string }

/** What an import leaves, without times and ids. */
async function outcome(t: Parameters<typeof openSite>[0], folder: string, trust: ReturnType<typeof trustOf>, appliance: Awaited<ReturnType<typeof person>>): Promise<object> {
  const site = await openSite(t, { trust, folder, appliance })
  const [record] = site.imports.list()
  const { receipt } = site.imports.receipt('1')
  const { inventoryDigest, submittedBy, approvedBy, counts } = JSON.parse(receipt) as Record<string, unknown>
  return {
    imports: site.imports.list().length, state: record?.state, generation: record?.generation, approvals: record?.approvals.map(({ user }) => user), receiptIsNamed: record?.receipt === digestOf(receipt),
    generations: site.store.catalogue.generations().map(({ generation }) => generation), items: [...site.store.catalogue.current().items('file')],
    mark: site.marks.get('demo'), inventoryDigest, submittedBy, approvedBy, counts,
    blobs: treeHash(join(folder, 'blobs')), events: site.events().map(({ type }) => type),
  }
}
