import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { digestOf } from '../../../appliance/core/digest.ts'
import { bundleOf, person, trustOf } from '../../support/bundles.ts'
import { openSite } from '../../support/import-site.ts'

const STEPS = ['found', 'verify', 'came-1', 'volumes-staged-1', 'scan', 'promote', 'receipt', 'mark', 'clean']

t.setTimeout(280_000)

await t.test('an import of two volumes that is killed at every instant of its journal ends as one that was not killed', async t => {
  const [ana, jon, appliance] = await Promise.all([person('Ana'), person('Jon'), person('appliance')])
  const folder = t.testdir()
  const files = { a: 'first', large: Buffer.from(Array.from({ length: 150_000 }, (_, k) => (k * 7919 + (k >> 8)) % 251)), c: Buffer.alloc(60_000, 'c') }
  const { volumes } = await bundleOf({ folder, signers: [ana.signer, jon.signer], files, volumeBytes: 250 * 1024 })
  t.equal(volumes.length, 2)
  const trust = trustOf([ana, jon])
  mkdirSync(join(folder, 'killed'))
  writeFileSync(join(folder, 'killed', 'people.json'), JSON.stringify({ trust, secret: appliance.secret, publicKey: appliance.public }))
  const run = async (): Promise<{ status: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string }> => {
    const { promise, resolve } = Promise.withResolvers<Awaited<ReturnType<typeof run>>>()
    const args = [join(import.meta.dirname, 'import-process.ts'), join(folder, 'killed'), volumes.map(({ file }) => file).toReversed().join(','), '--kill']
    const child = execFile(process.execPath, args, { env: { ...process.env, NODE_COMPILE_CACHE: join(folder, 'cache') } }, (_failure, stdout, stderr) => resolve({ status: child.exitCode, signal: child.signalCode, stdout, stderr }))
    return await promise
  }
  let kills = 0
  let last = await run()
  for (; last.signal === 'SIGKILL' && kills < 200; last = await run()) kills++
  t.match(last, { status: 0, stdout: /"succeeded","state":"imported"/ }, `after ${kills} kills: ${last.stderr}`)
  t.comment(`${kills} kills`)
  const hits = new Set(readFileSync(join(folder, 'killed', 'hits'), 'utf8').split('\n'))
  for (const step of STEPS) for (const phase of ['intent', 'effect', 'result']) for (const when of ['before', 'after']) t.ok(hits.has(`${when} ${phase} of ${step}`), `killed ${when} the ${phase} of ${step}`)
  for (const lane of ['lane:payload-1', 'lane:front']) for (const when of ['before', 'after']) t.ok(hits.has(`${when} result of ${lane}`), `killed ${when} it stood in the lane of ${lane}`)
  const site = await openSite(t, { trust, folder: join(folder, 'killed'), appliance })
  t.equal(site.imports.list().length, 1)
  t.equal(site.store.catalogue.current().generation, 1)
  for (const content of Object.values(files)) t.ok((await site.store.blobs.read(digestOf(content))).equals(Buffer.from(content)))
  t.same(readdirSync(join(folder, 'killed', 'staging')), [])
})
