import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { checkMount, mountPoint } from '../../../importer/media/mounts.ts'

const folder = t.testdir()
const mountinfo = join(folder, 'mountinfo')

/** The kernel's own lines, for a stick at /media/stick. */
function mounted(options: string, kind = 'vfat', superOptions = 'rw', point = '/media/stick'): void {
  writeFileSync(mountinfo, [
    '24 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw', '25 24 0:22 / /media rw,nosuid,nodev shared:2 - tmpfs tmpfs rw',
    `97 25 8:17 / ${point} ${options} shared:48 - ${kind} /dev/sdb1 ${superOptions},utf8`, '',
  ].join('\n'))
}
const check = async (path: string, roots = ['/media']): Promise<void> => await checkMount(path, roots, mountinfo)

await t.test('a medium below a media root is read when it is mounted as media are', async () => {
  mounted('ro,nosuid,nodev,noexec,relatime')
  await check('/media/stick/a.drydock')
  mounted('rw,nosuid,nodev,noexec', 'iso9660', 'ro')
  await check('/media/stick/a.drydock')
})

await t.test('what is missing is said, with the line to run', async t => {
  mounted('rw,nosuid,relatime')
  await t.rejects(check('/media/stick/a.drydock'), { code: 'DD-MEDIA-003', message: 'expected /media/stick to be mounted with ro,nosuid,nodev,noexec, found it without ro, nodev, noexec', hint: /^as root, run {2}mount -o remount,ro,nosuid,nodev,noexec '\/media\/stick' {2}and then drydock import resume$/ })
  mounted('rw,nosuid,relatime', 'vfat', 'rw', '/media/my\\040stick')
  await t.rejects(check('/media/my stick/a.drydock'), { message: /^expected \/media\/my stick to be/ })
})

await t.test('a file system that is not for media is refused however it is mounted', async t => {
  mounted('ro,nosuid,nodev,noexec', 'ntfs3')
  await t.rejects(check('/media/stick/a.drydock'), { code: 'DD-MEDIA-003', message: /found ntfs3$/ })
  await t.rejects(check('/media/other/a.drydock'), { code: 'DD-MEDIA-003', message: /^expected \/media to be FAT.* found tmpfs$/ }, 'and so is one that is the root itself')
})

await t.test('a plain folder of the machine is not judged, nor a mount above the root', async () => {
  mounted('rw')
  await check('/srv/bundles/a.drydock', ['/srv/bundles'])
  await check('/media/stick/deep/a.drydock', ['/media/stick/deep'])
  await check('/media/sticky/a.drydock', ['/media/sticky'])
})

await t.test('what lies on one mount hangs as one, in whatever folder, and what lies elsewhere does not', async t => {
  mounted('ro', 'vfat', 'rw', '/media/my\\040stick')
  const points = ['/media/my stick/a/1.drydock', '/media/my stick/b/2.drydock', '/media/my sticky/3.drydock', '/srv/../srv/4.drydock'].map(path => mountPoint(path, mountinfo))
  t.same(points, ['/media/my stick', '/media/my stick', '/media', '/'])
  t.equal(mountPoint('/proc/self/mountinfo'), '/proc', 'the real one')
})
