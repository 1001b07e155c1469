import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { spawnSync } from 'node:child_process'
import t, { type Test } from 'tap'
import { imageFolder } from '../../../appliance/images/read-image.ts'
import type { ImageManifest } from '../../../appliance/model/image.ts'
import { hasRoles, NO_CONTENT, openContent } from './content.ts'
import { bootGuest, expectedLayers } from './guest.ts'

/** Generous, because other tests share the cores; an idle machine needs a tenth (README.md has the measured numbers). Seconds. */
const BOOT = 150
const WORK = 150

t.setTimeout(7 * 60_000)
const content = await openContent()
const image = content?.images.find(candidate => hasRoles(candidate, { numpy: '1.25.2' })) ?? content?.images[0]
const skip = content === undefined ? { skip: NO_CONTENT } : image === undefined ? { skip: 'the demo left no image' } : {}

function scratch(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'drydock-boot-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

await t.test('a baked image boots, enrols, reports the layers its kernel has open, proves its roles, runs a job as nobody special, and stops', skip, async t => {
  const guest = await bootGuest(scratch(t), content!.imagesDir, image!)
  try {
    await guest.until('first heartbeat', BOOT, () => guest.heartbeats.length > 0)
    t.same(guest.heartbeats[0]!.layers, expectedLayers(image!), 'verity roots, lowest first')
    t.same(guest.heartbeats[0]!.jobs, [])

    await guest.until('measurement', WORK, () => guest.measurements.length > 0)
    const { measurement } = guest.measurements[0]!
    t.same(measurement.verify.filter(check => !check.passed), [], 'every verify command passed')
    t.equal(measurement.verify.length, image!.lock.base.verify.length + image!.lock.roles.flatMap(role => role.verify).length)
    t.same(measurement.packages.map(line => line.split(/[: ]/)[0] ?? ''), image!.packages.map(deb => deb.name), 'the package database is the lock’s')
    t.match(measurement.parameters, /drydock\.layer=/)

    await guest.enrolAtCi()
    const secrets = await guest.job('probe', 'echo out; echo err >&2; id -un; python3 -c "import numpy; print(numpy.__version__)"; echo "$DRYDOCK_LAYERS"; cat /run/drydock/node.json; ls /run/scratch; touch /usr/x; sleep 900 & exit 7')
    await guest.until('the job', WORK, async () => (await guest.jobState(secrets.id)).finishedAt !== null)
    const { status, output } = await guest.jobState(secrets.id)
    t.equal(status, 7)
    t.match(output, /^out\nerr\nci\n1\.\d+\.\d+\n/)
    t.match(output, expectedLayers(image!).join(','))
    t.match(output, /node\.json: Permission denied/)
    t.match(output, /\/run\/scratch.*Permission denied/)
    t.match(output, /\/usr\/x.*Permission denied/)
    await guest.until('the node to be idle', WORK, () => guest.heartbeats.at(-1)!.jobs.length === 0 && guest.heartbeats.some(beat => beat.jobs[0] === `probe#${secrets.id}`))

    guest.want = 'stop'
    await guest.until('the VM to stop', WORK, async () => (await guest.vms()).every(vm => vm.state === 'stopped'))
    t.comment(`boot to first heartbeat ${guest.seconds.get('heartbeat')!.toFixed(1)} s`)
    t.comment([...(await guest.console()).matchAll(/@(\w+) ([\d.]+)/g)].map(([, mark, at]) => `${mark} ${at}`).join(', '))
  } finally {
    await guest.close()
  }
})

await t.test('a disk with one byte changed in a layer does not come up', skip, async t => {
  const folder = scratch(t)
  const imagesDir = join(folder, 'images')
  cpSync(imageFolder(content!.imagesDir, image!.digest), imageFolder(imagesDir, image!.digest), { recursive: true })
  const disk = join(imageFolder(imagesDir, image!.digest), 'disk.raw')
  spawnSync('chmod', ['u+w', disk])
  // The superblock of the base's squashfs: what the kernel reads first. The driver would refuse this disk, so QEMU is asked directly.
  const file = await open(disk, 'r+')
  await file.write(Buffer.from([0xff]), 0, 1, image!.layers[0]!.offset + 40)
  await file.close()
  const console = bootDirectly(imageFolder(imagesDir, image!.digest), image!)
  t.match(console, /corrupted/)
  t.notMatch(console, /@switch/)
})

/** Until the guest ends by itself: `panic=` on the command line and -no-reboot. */
function bootDirectly(folder: string, manifest: ImageManifest): string {
  const args = ['-nodefaults', '-no-user-config', '-display', 'none', '-machine', 'q35', '-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '1', '-m', '512', '-no-reboot', '-serial', 'stdio']
  const disk = ['-drive', `if=none,id=disk,format=raw,readonly=on,file=${folder}/disk.raw`, '-device', 'virtio-blk-pci,drive=disk']
  const run = spawnSync('qemu-system-x86_64', [...args, ...disk, '-kernel', `${folder}/vmlinuz`, '-initrd', `${folder}/initrd`, '-append', manifest.commandLine], { encoding: 'utf8', timeout: BOOT * 1000, killSignal: 'SIGKILL' })
  return run.stdout
}
