import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { digestOf } from '../../../appliance/core/digest.ts'
import { bundleOf, person, trustOf } from '../../support/bundles.ts'
import { openSite } from '../../support/import-site.ts'

t.setTimeout(280_000)

await t.test('an import that is killed while it rebuilds two lost volumes goes on, and ends as one that lost none', async t => {
  const [ana, jon, appliance] = await Promise.all([person('Ana'), person('Jon'), person('appliance')])
  const folder = t.testdir()
  const files = { a: 'first', large: randomBytes(2_000_000), b: randomBytes(700_001) }
  const { volumes, manifest } = await bundleOf({ folder, signers: [ana.signer, jon.signer], files, volumeBytes: 800_000, parity: 2 })
  t.equal(manifest.volumes.length, 5)
  const trust = trustOf([ana, jon])
  const killed = join(folder, 'killed')
  mkdirSync(killed)
  writeFileSync(join(killed, 'people.json'), JSON.stringify({ trust, secret: appliance.secret, publicKey: appliance.public }))
  const here = volumes.filter((_volume, k) => k !== 1 && k !== 2).map(({ file }) => file)
  const run = async (): Promise<{ status: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string }> => {
    const { promise, resolve } = Promise.withResolvers<Awaited<ReturnType<typeof run>>>()
    const args = [join(import.meta.dirname, 'rebuild-process.ts'), killed, here.join(',')]
    const child = execFile(process.execPath, args, { env: { ...process.env, NODE_COMPILE_CACHE: join(folder, 'cache') } }, (_failure, stdout, stderr) => resolve({ status: child.exitCode, signal: child.signalCode, stdout, stderr }))
    return await promise
  }
  let kills = 0
  let last = await run()
  for (; last.signal === 'SIGKILL' && kills < 20; last = await run()) kills++
  t.match(last, { status: 0, stdout: /"succeeded","state":"imported"/ }, `after ${kills} kills: ${last.stderr}`)
  t.same(new Set(readFileSync(join(killed, 'hits'), 'utf8').trim().split('\n')), new Set(['a parity shard', 'a volume that is written', 'a volume that has its name', 'all staged']), 'killed at each of them')
  const site = await openSite(t, { trust, folder: killed, appliance })
  t.equal(site.store.catalogue.current().generation, 1)
  for (const content of Object.values(files)) t.ok((await site.store.blobs.read(digestOf(content))).equals(Buffer.from(content)))
  t.same(readdirSync(join(killed, 'staging')), [])
})
