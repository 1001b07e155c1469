import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { bundleOf, person, trustOf } from '../../support/bundles.ts'

/** The machine may be busy with other tests. */
t.setTimeout(240_000)

const [ana, jon, appliance] = await Promise.all([person('Ana'), person('Jon'), person('appliance')])
const MIB = 1024 * 1024

/** Runs an import in a mount namespace of its own, on a disk of this many MiB. */
function onDisk(folder: string, mebibytes: number, bundle: string, ...more: string[]): { operation: string; state: string; error: { code: string; message: string } | null } {
  const site = join(folder, `site-${mebibytes}${more.join('')}`)
  mkdirSync(site)
  const people = JSON.stringify({ trust: trustOf([ana, jon]), secret: appliance.secret, publicKey: appliance.public })
  writeFileSync(join(folder, 'people.json'), people)
  const script = `mount -t tmpfs -o size=${mebibytes}m small "$1" && cp "$2/people.json" "$1/" && exec "$3" "$4" "$1" "$5" $6`
  const out = execFileSync('unshare', ['-Urm', 'sh', '-c', script, 'sh', site, folder, process.execPath, join(import.meta.dirname, 'import-process.ts'), bundle, ...more], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  return JSON.parse(out.trim().split('\n').at(-1)!) as ReturnType<typeof onDisk>
}

await t.test('without room an import ends as failed, says how much is missing, and can be resumed', async t => {
  const folder = t.testdir()
  const { file } = await bundleOf({ folder, signers: [ana.signer, jon.signer], files: { large: Buffer.alloc(30 * MIB, 'x') } })
  t.match(onDisk(folder, 60, file), { operation: 'failed', state: 'failed', error: { code: 'DD-IMPORT-012', message: /expected \d+ MiB free for 30 MiB of new bytes, found \d+ MiB/ } })
  t.match(onDisk(folder, 300, file), { operation: 'succeeded', state: 'imported' })
})

await t.test('an upload leaves room for the audit log', async t => {
  const folder = t.testdir()
  const { file } = await bundleOf({ folder, signers: [ana.signer, jon.signer], files: { large: Buffer.alloc(30 * MIB, 'x') } })
  t.match(onDisk(folder, 100, file, '--upload'), { operation: 'refused', state: 'none', error: { code: 'DD-IMPORT-012' } })
})
