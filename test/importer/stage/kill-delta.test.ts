import { execFile } from 'node:child_process'
import { createCipheriv } from 'node:crypto'
import { globSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { digestOf } from '../../../appliance/core/digest.ts'
import { bundleOf, fileItems, person, trustOf } from '../../support/bundles.ts'
import { openSite } from '../../support/import-site.ts'

/** The machine may be busy with other tests. */
t.setTimeout(280_000)

/** Where it is not killed here: kill.test.ts does that for whole blobs, and nothing is other there for a delta. */
const ELSEWHERE = ['found', 'verify', 'proceed', 'judged', 'scan', 'approvals', 'approval', 'approved', 'receipt', 'mark', 'clean'].flatMap(step => ['intent', 'effect', 'result'].flatMap(phase => ['before', 'after'].map(when => `${when} ${phase} of ${step}`)))

await t.test('a delta of chunks and copies that is killed while it is taken in goes on, and the blob is what it should be', async t => {
  const [ana, jon, appliance] = await Promise.all([person('Ana'), person('Jon'), person('appliance')])
  const folder = t.testdir()
  const trust = trustOf([ana, jon])
  const signers = [ana.signer, jon.signer]
  const old = createCipheriv('aes-128-ctr', Buffer.alloc(16, 1), Buffer.alloc(16)).update(Buffer.alloc(5_000_000))
  for (let k = 0; k < old.length; k++) old[k]! &= 0x3f
  const next = Buffer.concat([Buffer.from('in front'), old.subarray(0, 2_000_000), old.subarray(2_300_000)])
  const full = await bundleOf({ folder, files: { img: old }, signers })
  const { file, manifest } = await bundleOf({ folder, items: fileItems(join(folder, 'blobs'), { img: next }, '2'), signers, sequence: 2, since: { base: digestOf('receipt'), inventory: new Set([digestOf(old)]) } })
  t.ok(manifest.totals.entries > 0 && manifest.totals.bytes < 400_000, `${manifest.totals.bytes} bytes`)

  const place = join(folder, 'site')
  mkdirSync(place)
  await t.test('the full bundle comes in', async t => {
    const site = await openSite(t, { trust, folder: place, appliance })
    t.match(await site.importBundle(full.file), { state: 'imported' })
  })
  // The process below looks at the oldest import; what came in is in catalogue and store.
  for (const path of globSync('db/history*', { cwd: place })) rmSync(join(place, path))
  writeFileSync(join(place, 'people.json'), JSON.stringify({ trust, secret: appliance.secret, publicKey: appliance.public }))
  writeFileSync(join(place, 'hits'), `${ELSEWHERE.join('\n')}\n`)

  const run = async (): Promise<{ signal: NodeJS.Signals | null; stdout: string; stderr: string }> => {
    const { promise, resolve } = Promise.withResolvers<{ signal: NodeJS.Signals | null; stdout: string; stderr: string }>()
    const child = execFile(process.execPath, [join(import.meta.dirname, 'import-process.ts'), place, file, '--kill'], { env: { ...process.env, NODE_COMPILE_CACHE: join(folder, 'cache') } }, (_failure, stdout, stderr) => resolve({ signal: child.signalCode, stdout, stderr }))
    return await promise
  }
  let kills = 0
  let last = await run()
  for (; last.signal === 'SIGKILL' && kills < 40; last = await run()) kills++
  t.match(last, { stdout: /"succeeded","state":"imported"/ }, `after ${kills} kills: ${last.stderr}`)
  const hits = new Set(readFileSync(join(place, 'hits'), 'utf8').split('\n'))
  for (const step of ['stage', 'promote']) for (const phase of ['intent', 'effect', 'result']) for (const when of ['before', 'after']) t.ok(hits.has(`${when} ${phase} of ${step}`), `killed ${when} the ${phase} of ${step}`)

  const site = await openSite(t, { trust, folder: place, appliance })
  t.ok((await site.store.blobs.read(digestOf(next))).equals(next))
  t.ok((await site.store.blobs.read(digestOf(old))).equals(old))
  t.same(readdirSync(join(place, 'staging')), [])
})
