import { realpath, stat, statfs } from 'node:fs/promises'
import { availableParallelism, totalmem } from 'node:os'
import { join, resolve } from 'node:path'
import { checkShape } from '../../../bundles/format/check.ts'
import type { Clock } from '../../core/clock.ts'
import type { Digest } from '../../core/digest.ts'
import { ensureFolder } from '../../core/durable-file.ts'
import { DrydockError } from '../../core/error.ts'
import type { Log } from '../../core/log.ts'
import { runProgram } from '../../core/run-program.ts'
import type { Hypervisor, HypervisorCapabilities, ImageOnDisk, ObservedVm, Ownership, VmIntent } from '../../model/hypervisor.ts'
import { oneAtATime, unlessGivenUp } from '../give-up.ts'
import { readManifest, verifyBytes } from '../image-folder.ts'
import { requireOwnership, requireSameIntent } from '../ownership.ts'
import { imageOf, newVmRecord, VmRecord } from '../vm-record.ts'
import { commandLine, type Hole } from './command-line.ts'
import { writeConfigDrive } from './config-drive.ts'
import { consoleTail, trimConsole } from './console-log.ts'
import { probeKvm, type Acceleration } from './kvm-probe.ts'
import { vmProcesses, type VmProcess } from './process-table.ts'
import { startQemu } from './start.ts'
import { stopHelpers, stopQemu } from './stop.ts'
import { allRecords, clearLeftovers, makeFolder, readRecord, removeFolder } from './vm-folder.ts'

export type QemuOptions = {
  /** The hypervisor's name in pool specs; part of what a VM is stamped with. */
  name: string
  applianceId: string
  /** `vms/` of the data folder. One driver owns it. */
  vmsDir: string
  /** The only addresses a guest reaches: agent port and CI server. */
  holes: readonly Hole[]
  clock: Clock
  log: Log
  /** `probe` asks /dev/kvm once (default); `tcg` does not ask. */
  acceleration?: 'probe' | 'tcg'
}

/** QEMU on this machine. VMs are processes of their own that go on when the appliance stops. */
export async function openQemu(options: QemuOptions): Promise<Hypervisor> {
  await ensureFolder(options.vmsDir, 0o700)
  const vmsDir = await realpath(options.vmsDir)
  await clearLeftovers(vmsDir)
  return new QemuHypervisor({ ...options, vmsDir })
}

const VmName = VmRecord.properties.intent.properties.name

class QemuHypervisor implements Hypervisor {
  readonly name: string
  readonly #options: QemuOptions
  readonly #images = new Map<Digest, ImageOnDisk & { fingerprint: string }>()
  readonly #inTurn = oneAtATime()
  #acceleration: Promise<Acceleration> | null = null

  constructor(options: QemuOptions) {
    this.name = options.name
    this.#options = options
  }

  async capabilities(signal: AbortSignal): Promise<HypervisorCapabilities> {
    const acceleration = await this.#accelerate()
    const version = await runProgram('qemu-system-x86_64', { args: ['--version'], package: 'qemu-system-x86', signal })
    const disk = await statfs(this.#options.vmsDir)
    return {
      kind: 'qemu',
      version: /version (\S+)/.exec(version.stdout.toString('utf8'))?.[1] ?? 'unknown',
      acceleration: acceleration.kind,
      cpus: availableParallelism(),
      memoryMiB: Math.floor(Math.min(totalmem(), process.constrainedMemory() || Infinity) / 2 ** 20),
      diskFreeMiB: Math.floor((disk.bavail * disk.bsize) / 2 ** 20),
      notes: acceleration.note === null ? [] : [acceleration.note],
    }
  }

  async ensureImage(image: ImageOnDisk, signal: AbortSignal): Promise<void> {
    unlessGivenUp(signal, 'check the image')
    await this.#inTurn(image.digest, async () => {
      const known = this.#images.get(image.digest)
      const fingerprint = await fingerprintOf(image.folder)
      if (known?.folder === resolve(image.folder) && known.fingerprint === fingerprint) return
      await verifyBytes(image, await readManifest(image))
      this.#images.set(image.digest, { ...image, folder: resolve(image.folder), fingerprint })
    })
  }

  async create(vm: VmIntent, signal: AbortSignal): Promise<void> {
    unlessGivenUp(signal, 'create the VM')
    const { vmsDir, applianceId, holes } = this.#options
    const wanted = newVmRecord(vm, this.#options.clock.now().getTime())
    requireOwnership(vm.name, vm.ownership, { ...vm.ownership, applianceId })
    const image = this.#images.get(vm.image)
    if (image === undefined) throw new DrydockError('DD-HV-003', `expected image ${vm.image} to be on ${this.name}, found it was never checked`, 'report this: ensureImage comes before create')
    await this.#inTurn(vm.name, async () => {
      const running = await this.#running(vm.name)
      const found = await readRecord(vmsDir, vm.name)
      if (found === 'foreign') requireOwnership(vm.name, null, vm.ownership)
      const existing = running?.identity ?? (typeof found === 'string' ? null : found)
      if (existing !== null) requireSameIntent(vm.name, existing.intentDigest, wanted.intentDigest)
      if (running !== undefined) return
      const record = typeof found === 'string' ? wanted : found
      if (found === 'absent') await makeFolder(vmsDir, record)
      const folder = join(vmsDir, vm.name)
      await writeConfigDrive(folder, vm.nodeJson, signal)
      const { kind: acceleration } = await this.#accelerate()
      await startQemu(folder, commandLine(record, { acceleration, hypervisor: this.name, image, holes, socat: 'socat' }), signal)
      this.#options.log.info({ node: vm.name, acceleration, image: vm.image }, 'vm started')
    })
  }

  async list(signal: AbortSignal): Promise<ObservedVm[]> {
    unlessGivenUp(signal, 'list VMs')
    const { vmsDir, applianceId } = this.#options
    // Records first: a VM that starts meanwhile is then seen by its process, and one that is destroyed meanwhile is at worst called stopped.
    const records = await allRecords(vmsDir)
    const processes = await vmProcesses(vmsDir, this.name)
    const seen = new Map<string, ObservedVm>()
    for (const record of records) {
      const { name, ownership } = record.intent
      seen.set(name, { name, ownership, image: imageOf(record), state: 'stopped', startedAt: record.createdAt, intentDigest: record.intentDigest, handle: record.uuid })
    }
    for (const { pid, startedAt, identity } of processes) {
      const { name, ownership, image, intentDigest } = identity
      seen.set(name, { name, ownership, image, state: 'running', startedAt, intentDigest, handle: String(pid) })
      await trimConsole(join(vmsDir, name)).catch((failure: unknown) => this.#options.log.warn({ node: name, failure: String(failure) }, 'console log not trimmed'))
    }
    return [...seen.values()].filter(vm => vm.ownership.applianceId === applianceId).toSorted((a, b) => (a.name < b.name ? -1 : 1))
  }

  async destroy(name: string, ownership: Ownership, signal: AbortSignal): Promise<void> {
    unlessGivenUp(signal, 'destroy the VM')
    checkShape(VmName, name, 'VM name')
    const { vmsDir, applianceId } = this.#options
    await this.#inTurn(name, async () => {
      const running = await this.#running(name)
      const found = await readRecord(vmsDir, name)
      if (running === undefined && found === 'absent') return
      requireOwnership(name, ownership, { ...ownership, applianceId })
      if (running !== undefined) requireOwnership(name, running.identity.ownership, ownership)
      if (found === 'foreign') requireOwnership(name, null, ownership)
      if (typeof found !== 'string') requireOwnership(name, found.intent.ownership, ownership)
      if (running !== undefined) await stopQemu(vmsDir, running, signal)
      for (const uuid of new Set([running?.identity.uuid, typeof found === 'string' ? undefined : found.uuid])) if (uuid !== undefined) await stopHelpers(uuid, signal)
      await removeFolder(vmsDir, name)
      this.#options.log.info({ node: name }, 'vm destroyed')
    })
  }

  async console(name: string, signal: AbortSignal): Promise<string> {
    unlessGivenUp(signal, 'read the console')
    checkShape(VmName, name, 'VM name')
    const { vmsDir, applianceId } = this.#options
    const found = await readRecord(vmsDir, name)
    if (typeof found === 'string' || found.intent.ownership.applianceId !== applianceId) {
      throw new DrydockError('DD-HV-006', `expected a VM ${name} on ${this.name}, found none of this appliance`, 'see `drydock node list`')
    }
    return await consoleTail(join(vmsDir, name))
  }

  async close(): Promise<void> {
    // Nothing is held between calls: VMs are found again by what stands in the process table and in vms/.
  }

  async #running(name: string): Promise<VmProcess | undefined> {
    return (await vmProcesses(this.#options.vmsDir, this.name)).find(process_ => process_.identity.name === name)
  }

  async #accelerate(): Promise<Acceleration> {
    this.#acceleration ??= this.#options.acceleration === 'tcg' ? Promise.resolve({ kind: 'tcg', note: 'the configuration says tcg' }) : probeKvm(this.#options.vmsDir)
    return await this.#acceleration
  }
}

/** Changes whenever a file of the image folder was written since its digests were checked. */
async function fingerprintOf(folder: string): Promise<string> {
  const facts = await Promise.all(
    ['disk.raw', 'vmlinuz', 'initrd', 'manifest.json'].map(async file => {
      const found = await stat(join(folder, file), { bigint: true }).catch(() => null)
      return found === null ? '-' : `${found.ino}:${found.size}:${found.mtimeNs}:${found.ctimeNs}`
    }),
  )
  return facts.join(' ')
}
