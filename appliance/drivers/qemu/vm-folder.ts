import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { checkShape } from '../../../bundles/format/check.ts'
import { syncFolder, writeDurably } from '../../core/durable-file.ts'
import { isErrno } from '../../core/error.ts'
import { VmRecord } from '../vm-record.ts'

/**
 * vms/
 *   lin-1/            appears with its vm.json in it, or not at all
 *     vm.json         who it is and whose
 *     config.iso      the config drive
 *     console.log     serial console, with console.earlier
 *     qemu.log        what QEMU itself says
 *     qemu.pid qmp.sock
 *   .new-… .gone-…    (and .probe-…) being made, being removed; whatever is left of these after a crash is nobody's
 */

/** Part of every scratch name: tells what this process makes from what an earlier one left, whose pid may have been the same. */
const THIS_RUN = randomBytes(6).toString('hex')

/** A path in vms/ that no VM has and that the next start clears away. */
export function scratchPath(vmsDir: string, what: 'new' | 'gone' | 'probe'): string {
  return join(vmsDir, `.${what}-${THIS_RUN}-${randomBytes(6).toString('hex')}`)
}

export async function makeFolder(vmsDir: string, record: VmRecord): Promise<string> {
  const making = scratchPath(vmsDir, 'new')
  const folder = join(vmsDir, record.intent.name)
  await mkdir(making, { mode: 0o700 })
  try {
    await writeDurably(join(making, 'vm.json'), `${JSON.stringify(record, null, 2)}\n`)
    await rename(making, folder)
    await syncFolder(vmsDir)
  } finally {
    await rm(making, { recursive: true, force: true })
  }
  return folder
}

export async function removeFolder(vmsDir: string, name: string): Promise<void> {
  const going = scratchPath(vmsDir, 'gone')
  try {
    await rename(join(vmsDir, name), going)
  } catch (failure) {
    if (isErrno(failure, 'ENOENT')) return
    throw failure
  }
  await rm(going, { recursive: true, force: true })
  await syncFolder(vmsDir)
}

/** What a killed appliance was making or removing. What this process is making now, with a driver that is being replaced, stays. */
export async function clearLeftovers(vmsDir: string): Promise<void> {
  for (const entry of await readdir(vmsDir)) {
    if (/^\.(new|gone|probe)-/.test(entry) && !entry.includes(THIS_RUN)) await rm(join(vmsDir, entry), { recursive: true, force: true })
  }
}

/** `absent`: no such folder. `foreign`: a folder that Drydock did not make. */
export async function readRecord(vmsDir: string, name: string): Promise<VmRecord | 'absent' | 'foreign'> {
  const path = join(vmsDir, name, 'vm.json')
  try {
    return checkShape(VmRecord, JSON.parse(await readFile(path, 'utf8')), path)
  } catch (failure) {
    if (!isErrno(failure, 'ENOENT')) throw failure
    return (await stat(join(vmsDir, name)).catch(() => null)) === null ? 'absent' : 'foreign'
  }
}

/** Every VM that has a record here. */
export async function allRecords(vmsDir: string): Promise<VmRecord[]> {
  const names = (await readdir(vmsDir)).filter(name => !name.startsWith('.'))
  const records = await Promise.all(names.map(name => readRecord(vmsDir, name)))
  return records.filter(record => typeof record !== 'string')
}
