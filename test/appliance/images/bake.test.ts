import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { canonicalJson } from '../../../bundles/format/canonical-json.ts'
import { verifyImage } from '../../../appliance/images/read-image.ts'
import { resolve } from '../../../appliance/images/resolve.ts'
import type { Lock } from '../../../appliance/model/lock.ts'
import { ensureApplianceUser } from '../../support/appliance-user.ts'
import { NO_CONTENT, openContent, ROLES_AFTER, ROLES_BEFORE } from './content.ts'

// Two cold bakes at most (one when the demo left its image) and three small ones; the runner ends a file after 8 minutes.
t.setTimeout(470_000)
const content = await openContent()
const asRoot = process.getuid?.() === 0
const skip = content === undefined ? { skip: NO_CONTENT } : asRoot ? {} : { skip: 'needs root, to become the appliance’s user and to set another clock' }
const workspace = join(process.env['DRYDOCK_TEST_CONTENT'] ?? '', 'workspace')

type Baked = { digest: string; layers: string[]; seconds: number; year: number }
type Odd = { clock: boolean; env: Record<string, string>; umask: string; cores: string }
const PLAIN: Odd = { clock: false, env: { TZ: 'UTC', LC_ALL: 'C.UTF-8' }, umask: '022', cores: '' }

/**
 * Runs bake-here.ts as the appliance's user in a mount namespace of its own. Another clock is libfaketime by way of a private /etc/ld.so.preload, so
 * that every program sees it, whatever environment it is given: Node, mmdebstrap, tar, mtools, tar2sqfs.
 */
function bakeElsewhere(lock: Lock, folder: string, odd: Odd, killAfter?: string): { status: number | null; stderr: string; baked: Baked | undefined } {
  const { uid, gid } = ensureApplianceUser()
  mkdirSync(join(folder, 'etc-upper'), { recursive: true })
  mkdirSync(join(folder, 'etc-work'), { recursive: true })
  for (const path of [folder, join(folder, 'etc-upper')]) chmodSync(path, 0o755)
  chownSync(folder, uid, gid)
  const lockFile = join(folder, 'lock.json')
  writeFileSync(lockFile, canonicalJson(lock))
  const become = ['setpriv', '--reuid', String(uid), '--regid', String(gid), '--clear-groups', '--', ...(odd.cores === '' ? [] : ['taskset', '-c', odd.cores])]
  const script = [
    'set -e',
    ...(odd.clock
      ? [
          // libfaketime leaves shared memory behind in every program; here it goes with the namespace.
          'mount -t tmpfs -o mode=1777 tmpfs /dev/shm',
          `mount -t overlay -o lowerdir=/etc,upperdir=${folder}/etc-upper,workdir=${folder}/etc-work overlay /etc`,
          `: >/etc/ld.so.preload; chown ${uid} /etc/ld.so.preload; echo '@2031-05-05 12:00:00' >/etc/faketimerc; chmod 644 /etc/ld.so.preload /etc/faketimerc`,
        ]
      : []),
    `umask ${odd.umask}`,
    // Preloaded only after the change of user: the first program that is has the shared memory of the rest.
    `exec ${become.join(' ')} sh -c '${odd.clock ? 'echo /usr/lib/$(uname -m)-linux-gnu/faketime/libfaketime.so.1 >/etc/ld.so.preload; ' : ''}exec "$@"' sh "$@"`,
  ].join('\n')
  const run = spawnSync('unshare', ['--mount', 'sh', '-c', script, 'sh', process.execPath, join(import.meta.dirname, 'bake-here.ts'), lockFile, workspace, folder, ...(killAfter === undefined ? [] : [killAfter])], {
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/nonexistent', ...odd.env },
    encoding: 'utf8',
  })
  return { status: run.status, stderr: run.stderr, baked: run.status === 0 ? (JSON.parse(run.stdout) as Baked) : undefined }
}

function scratch(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'drydock-bake-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function lockOf(t: Test, roles: string[]): Promise<Lock> {
  const { catalogue, blobs } = content!.generation
  return await resolve({ base: 'debian-12', roles }, catalogue, blobs, { workDir: scratch(t), signal: new AbortController().signal })
}

await t.test('a failing step is told with its last words, and leaves nothing', skip, async t => {
  const lock = await lockOf(t, [])
  const folder = scratch(t)
  const broken: Lock = { ...lock, base: { ...lock.base, debs: lock.base.debs.filter(deb => deb.name !== 'libc6') } }
  const run = bakeElsewhere(broken, folder, PLAIN)
  t.match(run.stderr, /DD-IMAGE-010/)
  t.match(run.stderr, /it said: .*mmdebstrap failed/s)
  t.same(readdirSync(join(folder, 'work')), [])
  t.same(readdirSync(join(folder, 'images')), [], 'and no image')
})

await t.test('root is refused', { skip: content === undefined ? NO_CONTENT : !asRoot }, async t => {
  const { bake } = await import('../../../appliance/images/bake.ts')
  const folder = scratch(t)
  const input = { blobPath: content!.generation.blobs.blobPath, imagesDir: join(folder, 'images'), workDir: join(folder, 'work'), signal: new AbortController().signal, progress: () => undefined }
  await t.rejects(bake(await lockOf(t, []), input), { code: 'DD-IMAGE-009' })
})

await t.test('a lock of another baker is refused, and what to do is said', { skip: content === undefined ? NO_CONTENT : false }, async t => {
  const { bake } = await import('../../../appliance/images/bake.ts')
  const folder = scratch(t)
  const input = { blobPath: content!.generation.blobs.blobPath, imagesDir: join(folder, 'images'), workDir: join(folder, 'work'), signal: new AbortController().signal, progress: () => undefined }
  await t.rejects(bake({ ...(await lockOf(t, [])), baker: 999 }, input), { code: 'DD-IMAGE-014', hint: /apply the pool again/ })
})

await t.test('the same lock bakes to the same bytes: other folder, clock, time zone, locale, umask and core count; killed on the way', skip, async t => {
  const lock = await lockOf(t, ROLES_BEFORE)
  const reference = content!.images.find(image => canonicalJson(image.lock) === canonicalJson(lock))
  const here = scratch(t)
  const first = reference?.digest ?? bakeElsewhere(lock, here, PLAIN).baked?.digest

  const there = scratch(t)
  const odd: Odd = { clock: true, env: { TZ: 'Pacific/Kiritimati', LC_ALL: 'de_DE.UTF-8', LANG: 'tr_TR.UTF-8' }, umask: '077', cores: '0' }
  const killed = bakeElsewhere(lock, there, odd, 'last')
  t.not(killed.status, 0, 'killed when most layers were there')
  const again = bakeElsewhere(lock, there, odd)
  t.equal(again.stderr, '')
  t.equal(again.baked?.year, 2031, 'the clock was another one')
  t.equal(again.baked?.digest, first)
  t.same(readdirSync(join(there, 'work')), [], 'nothing is left in the work folder')
  t.equal((await verifyImage(join(there, 'images'), again.baked!.digest)).digest, first)

  await t.test('another numpy costs its layer and the last; base, Python and cmake keep their digests', async t => {
    const changed = bakeElsewhere(await lockOf(t, ROLES_AFTER), there, PLAIN)
    t.equal(changed.stderr, '')
    const kept = changed.baked!.layers.filter(layer => again.baked!.layers.includes(layer)).map(layer => layer.split(' ')[0])
    t.same(kept, ['base', 'python-3.11.2', 'cmake-3.25.1'])
    t.comment(`cold ${again.baked!.seconds.toFixed(1)} s on one core for what the kill left to do, changed ${changed.baked!.seconds.toFixed(1)} s on all`)
  })

  await t.test('a finished image is not baked again, and a damaged one is noticed', async t => {
    const finished = bakeElsewhere(lock, there, PLAIN)
    t.equal(finished.baked?.digest, first)
    t.ok(finished.baked!.seconds < 2, `${finished.baked!.seconds.toFixed(2)} s`)
    const { open } = await import('node:fs/promises')
    const disk = join(there, 'images', again.baked!.digest.slice('sha256:'.length), 'disk.raw')
    chmodSync(disk, 0o644)
    const file = await open(disk, 'r+')
    await file.write(Buffer.from('x'), 0, 1, 5_000_000)
    await file.close()
    await t.rejects(verifyImage(join(there, 'images'), again.baked!.digest), { code: 'DD-IMAGE-011', message: /disk.raw/ })
  })

  await t.test('kept layers that a power cut has torn are made again, to the same bytes', async t => {
    rmSync(join(there, 'images', again.baked!.digest.slice('sha256:'.length)), { recursive: true })
    const layers = join(there, 'images/layers')
    const torn = readdirSync(layers).filter(key => existsSync(join(layers, key, 'image')))
    // The base stays, so that this does not take another minute: it is found sound, and the roles stand on it.
    const largest = torn.toSorted((a, b) => statSync(join(layers, b, 'image')).size - statSync(join(layers, a, 'image')).size)[0]
    for (const key of torn.filter(key => key !== largest)) writeFileSync(join(layers, key, 'image'), 'torn')
    const healed = bakeElsewhere(lock, there, PLAIN)
    t.equal(healed.stderr, '')
    t.equal(healed.baked?.digest, first)
  })
})
