import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { resolve, sep } from 'node:path'
import { DrydockError } from '../../appliance/core/error.ts'

/** What a mounted medium must be mounted with: nothing on it can be run, be a device or lend rights, and nothing is written to it. */
export const MOUNT_OPTIONS = ['ro', 'nosuid', 'nodev', 'noexec'] as const
/** File systems of media. */
export const MOUNTED_KINDS = new Set(['vfat', 'exfat', 'ext2', 'ext3', 'ext4', 'iso9660', 'udf'])

type Mount = { point: string; options: Set<string>; kind: string; device: string }

/**
 * A path below a media root that lies on a medium of its own is read only when that was mounted as media are. A root that is a plain folder
 * of the machine is not judged.
 * @throws DD-MEDIA-003
 */
export async function checkMount(path: string, roots: readonly string[], mountinfo = '/proc/self/mountinfo'): Promise<void> {
  const mount = mountOf(path, parseMounts(await readFile(mountinfo, 'utf8')))
  if (mount === undefined || !roots.some(root => mount.point === root || mount.point.startsWith(root.endsWith(sep) ? root : root + sep))) return
  if (!MOUNTED_KINDS.has(mount.kind)) {
    throw new DrydockError('DD-MEDIA-003', `expected ${mount.point} to be FAT, exFAT, ext4, ISO 9660 or UDF, found ${mount.kind}`, 'bring bundles on one of these, send them with `drydock import run PATH`, or use a watch folder')
  }
  const lacking = MOUNT_OPTIONS.filter(option => !mount.options.has(option))
  if (lacking.length === 0) return
  throw new DrydockError('DD-MEDIA-003', `expected ${mount.point} to be mounted with ${MOUNT_OPTIONS.join(',')}, found it without ${lacking.join(', ')}`, `as root, run  mount -o remount,${MOUNT_OPTIONS.join(',')} '${mount.point}'  and then drydock import resume`)
}

/** Where that is mounted on which a path lies. The kernel tells it without asking what is mounted there, so also of what hangs. */
export function mountPoint(path: string, mountinfo = '/proc/self/mountinfo'): string {
  return mountOf(resolve(path), parseMounts(readFileSync(mountinfo, 'utf8')))?.point ?? '/'
}

/** Lines of proc_pid_mountinfo(5): `36 35 98:0 /root /point rw,noatime shared:1 - ext4 /dev/sdb1 rw`. */
function parseMounts(text: string): Mount[] {
  return text.split('\n').flatMap(line => {
    const [front, back] = line.split(' - ')
    const [, , , , point, options] = front?.split(' ') ?? []
    const [kind, device, superOptions] = back?.split(' ') ?? []
    if (point === undefined || options === undefined || kind === undefined || device === undefined) return []
    // Read-only may be the mount or the file system as a whole.
    return [{ point: unescaped(point), options: new Set([...options.split(','), ...((superOptions ?? '').split(',').includes('ro') ? ['ro'] : [])]), kind, device }]
  })
}

/** The last of those that reach deepest covers the others. */
function mountOf(path: string, mounts: readonly Mount[]): Mount | undefined {
  return mounts.reduce<Mount | undefined>((best, mount) => {
    const over = mount.point === '/' || path === mount.point || path.startsWith(`${mount.point}/`)
    return over && (best === undefined || mount.point.length >= best.point.length) ? mount : best
  }, undefined)
}

/** The kernel writes space, tab, newline and backslash as octal. */
function unescaped(text: string): string {
  return text.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}
