import { spawnSync } from 'node:child_process'
import { chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { ensureApplianceUser } from '../../support/appliance-user.ts'

t.setTimeout(60_000)
const skip = process.getuid?.() === 0 ? {} : { skip: 'needs root, to become the appliance’s user' }

/** Runs as root of the bake's namespace, as a maintainer script of a signed but hostile package would; what it could get stands in `got`. */
const HOSTILE = `
  exec 2>/dev/null
  got() { echo "$1" >>got; }
  [ "$(id -u)" = 0 ] && got "is root of its namespace"
  echo written >own && got "writes its work folder"
  cat given >>got
  for way in "" /proc/1/root /proc/self/root /../../../..; do cat "$way$SECRET" && got "secret by $way"; done
  # Out of a chroot the classic way, which a chroot never stopped.
  mkdir -p jail && chroot jail /bin/true; cat ../secrets/key && got "secret by a relative path"
  ls "\${SECRET%/*}" && got "sees the folder"
  echo bad >"\${SECRET%/*}/planted" && got "writes beside the secret"
  echo bad >/usr/planted && got "writes /usr"
  echo bad >/etc/planted && got "writes /etc"
  echo bad >given-elsewhere; echo bad >>"$GIVEN" && got "writes what it was given to read"
  mount -o remount,rw /usr && echo bad >/usr/planted && got "mounts /usr writable"
  mkdir -p m && mount -t proc proc m && ls m/1/root/"$SECRET" && got "secret by another proc"
  [ "$OUTSIDE" -gt 20 ] && kill -0 "$OUTSIDE" && got "signals a process outside"
  (exec 3<>/dev/tcp/127.0.0.1/"$PORT") && got "reaches the network"
  ls /sys/class/net/ | grep -v '^lo$' && got "sees a network card"
  ls -d /root /home /srv /opt /var/lib && got "sees folders of the machine"
  exit 0
`

await t.test('what packages run while an image is baked sees their own work folder and the system’s programs, and nothing of the appliance', skip, async t => {
  const { uid, gid } = ensureApplianceUser()
  const folder = mkdtempSync(join(tmpdir(), 'drydock-own-root-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const secret = join(folder, 'secrets/key')
  const given = join(folder, 'given')
  const work = join(folder, 'work')
  for (const path of [join(folder, 'secrets'), work]) mkdirSync(path)
  writeFileSync(secret, 'the secret', { mode: 0o600 })
  writeFileSync(given, 'what it was given\n', { mode: 0o600 })
  writeFileSync(join(work, 'hostile.sh'), HOSTILE)
  for (const path of [folder, join(folder, 'secrets'), work, secret, given]) chownSync(path, uid, gid)

  const program = `
    import { inOwnRoot } from ${JSON.stringify(join(import.meta.dirname, '../../../appliance/images/namespace.ts'))}
    const script = 'ln -s ${given} given; GIVEN=${given} SECRET=${secret} OUTSIDE=' + process.pid + ' PORT=9 /bin/bash hostile.sh'
    process.stdout.write(await inOwnRoot(['/bin/sh', '-c', script], 'a hostile package', { folder: ${JSON.stringify(work)}, sourceDateEpoch: 0, signal: AbortSignal.timeout(30_000) }, [${JSON.stringify(given)}]))
  `
  const run = spawnSync('setpriv', ['--reuid', String(uid), '--regid', String(gid), '--clear-groups', '--', process.execPath, '--input-type=module-typescript', '--eval', program], { encoding: 'utf8', env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/nonexistent' } })
  t.equal(run.status, 0, run.stderr)
  t.same(readFileSync(join(work, 'got'), 'utf8').trim().split('\n'), ['is root of its namespace', 'writes its work folder', 'what it was given'])
  t.equal(readFileSync(secret, 'utf8'), 'the secret')
  t.equal(readFileSync(given, 'utf8'), 'what it was given\n')
})
