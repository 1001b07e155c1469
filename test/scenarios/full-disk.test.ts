import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { RealSite, refusal } from './real-site.ts'

t.setTimeout(280_000)
const MIB = 1024 * 1024
/** Reserve (32), what an upload leaves free (128) and what an import wants beside its bytes (64) find room in it. */
const DISK_MIB = 288
const root = process.getuid?.() === 0

await t.test('a full disk stops an import and nothing else: it is audited, and comes in when there is space again', { skip: root ? false : 'mounting a small disk needs root' }, async t => {
  const disk = mkdtempSync(join(tmpdir(), 'drydock-small-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m,mode=0700`, 'drydock-test', disk])
  t.teardown(() => {
    execFileSync('umount', [disk])
    rmSync(disk, { recursive: true })
  })
  const site = await RealSite.open(t, join(disk, 'data'))
  await site.imports(t)
  const ballast = join(disk, 'ballast')
  const free = (): number => statfsSync(disk).bavail * statfsSync(disk).bsize
  const leave = (mib: number): void => {
    rmSync(ballast, { force: true })
    execFileSync('fallocate', ['-l', String(Math.floor(free() - mib * MIB)), ballast])
  }
  const bundle = await site.bundle({ files: { 'one.txt': 'one\n' } })

  leave(100)
  let before = site.fingerprint()
  await refusal(t, more => site.drydock('olga', ['import', 'run', bundle, '--yes', ...more]), 'DD-IMPORT-012', /expected 128 MiB to stay free during the upload, found \d+ MiB/)
  t.same(site.fingerprint(), before, 'an upload that does not fit leaves nothing')

  leave(40)
  before = site.fingerprint()
  await refusal(t, more => site.drydock('olga', ['import', 'run', bundle, '--on-appliance', '--yes', ...more]), 'DD-IMPORT-012', /expected 64 MiB free for 4 B of new bytes, found \d+ MiB/, { output: /needs {6}about/ })
  t.same(site.fingerprint(), before, 'neither does a bundle on a medium')

  leave(0)
  before = site.fingerprint()
  const full = await site.drydock('olga', ['import', 'run', bundle, '--on-appliance', '--yes'])
  t.match(full, { code: 1, err: /^failed: expected .+, found .+\ndo: .+ {6}DD-(CORE-002|IMPORT-012)$/m }, 'not a byte is free')
  t.notMatch(full.err, /\n\s+at /)
  t.same(site.fingerprint(), before)
  t.match(await site.must('vera', ['pool', 'list']), { out: /no pool yet/ }, 'who reads still reads')
  t.match(await site.must('admin', ['user', 'add', 'nina', '--role', 'viewer']), { out: /one-time password/ }, 'the reserve keeps decisions and the audit log writable')

  rmSync(ballast)
  const audit = (await site.must('admin', ['audit', 'list', '--json'])).records()
  const tried = audit.filter(record => record['actor'] === 'olga' && String(record['action']).includes('/imports'))
  t.ok(tried.length >= 5, `each attempt was audited (${tried.length})`)
  t.match(await site.must('admin', ['audit', 'verify', await auditFile(site), '--key', join(site.data, 'pki/appliance.pub')]), { out: /unbroken/ })
  const failed = (await site.must('olga', ['import', 'list', '--json'])).records().find(record => record['state'] === 'failed')
  t.match(await site.drydock('olga', ['import', 'resume', String(failed?.['id'])]), { code: 4, out: /waits for an approver/ }, 'one that failed is taken up again')
  t.match(await site.drydock('paul', ['import', 'approve', String(failed?.['id'])]), { code: 0, out: /is served as generation 2/ })
  await site.imports(t)
})

async function auditFile(site: RealSite): Promise<string> {
  const file = join(site.folder, 'audit.ndjson')
  await site.must('admin', ['audit', 'export', file])
  return file
}
