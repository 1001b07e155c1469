import { constants } from 'node:fs'
import { open, readdir, readFile, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { isErrno } from '../../appliance/core/error.ts'

/** Where the kernel tells of block devices. Tests put folders of theirs in the place. */
export type DevicePlaces = { sysBlock: string; dev: string; mountinfo: string }
export const MACHINE: DevicePlaces = { sysBlock: '/sys/block', dev: '/dev', mountinfo: '/proc/self/mountinfo' }

/** `key` is another one after each change of medium, also in a drive that stays. */
export type Device = { name: string; path: string; key: string; bytes: number; why: 'mounted' | 'denied' | null }

/** Disks behind USB, card readers, memory cards, optical drives; not what the machine lives on. */
const NAMES = /^(sd[a-z]{1,3}|sr\d{1,2}|mmcblk\d{1,2})$/
const SECTOR_BYTES = 512

/** Removable devices with a medium in them. */
export async function devicesNow(places: DevicePlaces): Promise<Device[]> {
  const names = (await readdir(places.sysBlock).catch((): string[] => [])).filter(name => NAMES.test(name)).toSorted()
  const mounted = await mountedNumbers(places.mountinfo)
  const devices: Device[] = []
  for (const name of names) {
    const folder = join(places.sysBlock, name)
    if (!(await isRemovable(folder, name))) continue
    const path = join(places.dev, name)
    const opened = await canOpen(path)
    // Opening makes a drive look for its medium; only then does it tell its size.
    const bytes = Number(await fact(folder, 'size')) * SECTOR_BYTES
    if (opened === 'absent' || !(bytes > 0)) continue
    const numbers = [await fact(folder, 'dev'), ...(await Promise.all((await readdir(folder).catch((): string[] => [])).filter(part => part.startsWith(name)).map(part => fact(join(folder, part), 'dev'))))]
    const inUse = numbers.some(number => number !== '' && mounted.has(number))
    devices.push({ name, path, key: `${name}:${await fact(folder, 'diskseq')}:${bytes}:${inUse}:${opened}`, bytes, why: inUse ? 'mounted' : opened === 'denied' ? 'denied' : null })
  }
  return devices
}

async function isRemovable(folder: string, name: string): Promise<boolean> {
  if ((await fact(folder, 'removable')) === '1') return true
  if (name.startsWith('mmcblk')) return (await fact(join(folder, 'device'), 'type')) === 'SD'
  return /\/usb\d/.test(await realpath(folder).catch(() => ''))
}

async function fact(folder: string, name: string): Promise<string> {
  return await readFile(join(folder, name), 'utf8').then(text => text.trim(), () => '')
}

async function canOpen(path: string): Promise<'open' | 'denied' | 'absent'> {
  try {
    const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    await handle.close()
    return 'open'
  } catch (failure) {
    return isErrno(failure, 'EACCES') || isErrno(failure, 'EPERM') ? 'denied' : 'absent'
  }
}

/** `8:17` of everything that is mounted here. */
async function mountedNumbers(mountinfo: string): Promise<Set<string>> {
  const text = await readFile(mountinfo, 'utf8').catch(() => '')
  return new Set(text.split('\n').map(line => line.split(' ')[2] ?? ''))
}
