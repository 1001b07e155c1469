/**
 * What runs inside the guest with a stick: the product's own watch over real devices of Debian's kernel. For each bundle that comes it tells,
 * as JSON lines on standard output, the digest as the sandboxed reader gives it and as Debian's kernel gives it from a mount.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, read } from 'node:fs'
import { promisify } from 'node:util'
import { asDrydockError } from '../../../appliance/core/error.ts'
import { silentLog } from '../../../appliance/core/log.ts'
import { MACHINE } from '../../../importer/media/devices.ts'
import type { FoundBundle } from '../../../importer/media/find-bundles.ts'
import { checkMount } from '../../../importer/media/mounts.ts'
import { watchRemovable, type Medium } from '../../../importer/media/removable.ts'

const KERNEL_NAMES: Record<string, string> = { FAT: 'vfat', exFAT: 'exfat', ext4: 'ext4', 'ISO 9660': 'iso9660', UDF: 'udf' }
const tell = (line: object): boolean => process.stdout.write(`\n@${JSON.stringify(line)}\n`)

async function bySandbox(source: string, label: string | null): Promise<object> {
  const file = await media.open(source)
  try {
    const payload = await file.payload(0)
    const hash = createHash('sha256')
    const buffer = Buffer.alloc(1024 * 1024)
    for (let have = 0; ; ) {
      const { bytesRead } = await promisify(read)(payload.fd, buffer, 0, buffer.length, payload.offset)
      if (bytesRead === 0) break
      if (have === 0) tell({ type: 'reading', label })
      have += bytesRead
      hash.update(buffer.subarray(0, bytesRead))
    }
    const fault = await payload.fault()
    if (fault !== undefined) throw fault
    return { sandbox: hash.digest('hex') }
  } finally {
    await file.close()
  }
}

async function byKernel({ device, fileSystem }: Medium, { file }: FoundBundle): Promise<object> {
  const kind = KERNEL_NAMES[fileSystem ?? ''] ?? ''
  const path = `/media/stick/${file.path}`
  const mount = (...args: string[]): unknown => execFileSync('/bin/busybox', ['mount', ...args])
  mount('-t', kind, '-o', `ro,nodev${kind === 'vfat' ? ',utf8' : ''}`, `/dev/${device}`, '/media/stick')
  try {
    const careless = await checkMount(path, ['/media']).then(() => '', (failure: unknown) => asDrydockError(failure).code)
    mount('-o', 'remount,ro,nosuid,nodev,noexec', '/media/stick')
    await checkMount(path, ['/media'])
    const hash = createHash('sha256')
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
    return { kernel: hash.digest('hex'), careless }
  } finally {
    execFileSync('/bin/busybox', ['umount', '/media/stick'])
  }
}

const media = watchRemovable({
  places: MACHINE, log: silentLog, everyMs: 250,
  told: (type, { device, label, fileSystem, serial, bytes, why }) => tell({ type, device, label, fileSystem, serial, bytes, why }),
  async arrived(bundle, medium) {
    const about = { type: 'bundle', label: medium.label, fileSystem: medium.fileSystem, source: bundle.source }
    try {
      const read = await bySandbox(bundle.source, medium.label)
      tell({ ...about, ...read, ...(await byKernel(medium, bundle)) })
    } catch (failure) {
      const { code, message } = asDrydockError(failure)
      tell({ ...about, code, message })
    }
  },
})
tell({ type: 'up' })
setInterval(() => undefined, 60_000)
