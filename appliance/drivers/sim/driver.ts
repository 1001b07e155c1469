import { stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { checkShape } from '../../../bundles/format/check.ts'
import type { Clock } from '../../core/clock.ts'
import type { Digest } from '../../core/digest.ts'
import { DrydockError } from '../../core/error.ts'
import type { Log } from '../../core/log.ts'
import type { AgentDesk } from '../../model/agent.ts'
import type { Hypervisor, HypervisorCapabilities, ImageOnDisk, ObservedVm, Ownership, VmIntent } from '../../model/hypervisor.ts'
import type { ImageManifest } from '../../model/image.ts'
import { oneAtATime, pause, unlessGivenUp } from '../give-up.ts'
import { readManifest } from '../image-folder.ts'
import { requireOwnership, requireSameIntent } from '../ownership.ts'
import { imageOf, newVmRecord, VmRecord } from '../vm-record.ts'
import { chance, within } from './chance.ts'
import { consoleOf, runGuest, type Settings } from './guest.ts'
import { DEFAULTS, SimSettings } from './settings.ts'
import { VmFiles, type SimVm } from './vm-files.ts'

export type SimOptions = {
  name: string
  applianceId: string
  /** Where the simulated VMs are kept; survives the appliance, as a hypervisor's own memory does. */
  stateDir: string
  /** `options` of the connection; checked here. */
  settings?: unknown
  /** Whom the guests speak to. null: they stay silent. */
  desk: AgentDesk | null
  /** A CI server's address as this process reaches it, from the one that guests are told. */
  reach(url: string): string
  clock: Clock
  log: Log
}

/** The simulated hypervisor. Guests of VMs that ran before go on. */
export async function openSim(options: SimOptions): Promise<Hypervisor> {
  const settings = { ...DEFAULTS, ...checkShape(SimSettings, options.settings ?? {}, `options of hypervisor ${options.name}`) }
  const hypervisor = new SimHypervisor(options, settings, await VmFiles.open(options.stateDir))
  await hypervisor.wakeGuests()
  return hypervisor
}

const VmName = VmRecord.properties.intent.properties.name

class SimHypervisor implements Hypervisor {
  readonly name: string
  readonly #options: SimOptions
  readonly #settings: Settings
  readonly #files: VmFiles
  /** With what was read last, so that a manifest of a megabyte is not parsed for each VM. */
  readonly #disks = new Map<Digest, { read: string; disk: SimVm['disk'] }>()
  readonly #guests = new Map<string, AbortController>()
  readonly #attempts = new Map<string, number>()
  readonly #inTurn = oneAtATime()
  #closed = false

  constructor(options: SimOptions, settings: Settings, files: VmFiles) {
    this.name = options.name
    this.#options = options
    this.#settings = settings
    this.#files = files
  }

  async capabilities(signal: AbortSignal): Promise<HypervisorCapabilities> {
    unlessGivenUp(signal, 'ask for capabilities')
    const disk = await statfs(this.#options.stateDir)
    const { cpus, memoryMiB } = this.#settings
    return { kind: 'sim', version: '1', acceleration: 'none', cpus, memoryMiB, diskFreeMiB: Math.floor((disk.bavail * disk.bsize) / 2 ** 20), notes: ['simulated: no machine runs, and no job is run'] }
  }

  /** Looks at the manifest only: nothing boots from the disk, so a trial needs none. */
  async ensureImage(image: ImageOnDisk, signal: AbortSignal): Promise<void> {
    unlessGivenUp(signal, 'check the image')
    const read = await stat(join(image.folder, 'manifest.json')).then(found => `${image.folder} ${found.ino} ${found.mtimeMs}`, () => '')
    if (read !== '' && this.#disks.get(image.digest)?.read === read) return
    this.#disks.set(image.digest, { read, disk: this.#diskOf(await readManifest(image)) })
  }

  async create(vm: VmIntent, signal: AbortSignal): Promise<void> {
    unlessGivenUp(signal, 'create the VM')
    const { applianceId, clock, log } = this.#options
    const wanted = newVmRecord(vm, clock.now().getTime())
    requireOwnership(vm.name, vm.ownership, { ...vm.ownership, applianceId })
    const disk = this.#disks.get(vm.image)?.disk
    if (disk === undefined) throw new DrydockError('DD-HV-003', `expected image ${vm.image} to be on ${this.name}, found it was never checked`, 'report this: ensureImage comes before create')
    await this.#inTurn(vm.name, async () => {
      const found = await this.#files.get(vm.name)
      if (found === 'foreign') requireOwnership(vm.name, null, vm.ownership)
      if (typeof found !== 'string') {
        requireSameIntent(vm.name, found.record.intentDigest, wanted.intentDigest)
        if (found.state === 'running') return
      }
      await pause(within(this.#settings.seed, `create:${vm.name}`, this.#settings.createMilliseconds), signal, 'create the VM')
      this.#perhapsFail(vm.name)
      const made: SimVm = { format: 'drydock-sim-vm/1', record: typeof found === 'string' ? wanted : found.record, state: 'running', startedAt: clock.now().getTime(), nodeJson: vm.nodeJson, disk }
      await this.#files.put(made)
      this.#wake(made)
      log.info({ node: vm.name, acceleration: 'none', image: vm.image }, 'vm started')
    })
  }

  async list(signal: AbortSignal): Promise<ObservedVm[]> {
    unlessGivenUp(signal, 'list VMs')
    const vms = (await this.#files.all()).map(({ record, state, startedAt }) => {
      const { name, ownership } = record.intent
      return { name, ownership, image: imageOf(record), state, startedAt, intentDigest: record.intentDigest, handle: record.uuid }
    })
    return vms.filter(vm => vm.ownership.applianceId === this.#options.applianceId).toSorted((a, b) => (a.name < b.name ? -1 : 1))
  }

  async destroy(name: string, ownership: Ownership, signal: AbortSignal): Promise<void> {
    unlessGivenUp(signal, 'destroy the VM')
    checkShape(VmName, name, 'VM name')
    await this.#inTurn(name, async () => {
      const found = await this.#files.get(name)
      if (found === 'absent') return
      requireOwnership(name, ownership, { ...ownership, applianceId: this.#options.applianceId })
      requireOwnership(name, found === 'foreign' ? null : found.record.intent.ownership, ownership)
      await pause(within(this.#settings.seed, `destroy:${name}`, this.#settings.destroyMilliseconds), signal, 'destroy the VM')
      this.#guests.get(name)?.abort()
      this.#guests.delete(name)
      await this.#files.remove(name)
      this.#options.log.info({ node: name }, 'vm destroyed')
    })
  }

  async console(name: string, signal: AbortSignal): Promise<string> {
    unlessGivenUp(signal, 'read the console')
    checkShape(VmName, name, 'VM name')
    const found = await this.#files.get(name)
    if (typeof found === 'string' || found.record.intent.ownership.applianceId !== this.#options.applianceId) {
      throw new DrydockError('DD-HV-006', `expected a VM ${name} on ${this.name}, found none of this appliance`, 'see `drydock node list`')
    }
    return consoleOf(found, this.#settings, this.#options.clock.now().getTime())
  }

  /** The guests of this process fall silent; the VMs are kept, and the next driver wakes them. */
  async close(): Promise<void> {
    this.#closed = true
    for (const guest of this.#guests.values()) guest.abort()
    this.#guests.clear()
  }

  async wakeGuests(): Promise<void> {
    for (const vm of await this.#files.all()) if (vm.state === 'running' && vm.record.intent.ownership.applianceId === this.#options.applianceId) this.#wake(vm)
  }

  #wake(vm: SimVm): void {
    const { desk, reach, clock, log } = this.#options
    if (desk === null || this.#closed) return
    const { name } = vm.record.intent
    this.#guests.get(name)?.abort()
    const guest = new AbortController()
    this.#guests.set(name, guest)
    const stopped = async (): Promise<void> => {
      await this.#inTurn(name, async () => {
        if (!guest.signal.aborted) await this.#files.put({ ...vm, state: 'stopped' })
      })
    }
    runGuest(vm, { desk, settings: this.#settings, now: () => clock.now().getTime(), reach, stopped }, guest.signal).catch((failure: unknown) => {
      if (!guest.signal.aborted) log.error({ node: name, failure: String(failure) }, 'simulated guest ended')
    })
  }

  #perhapsFail(name: string): void {
    const attempt = (this.#attempts.get(name) ?? 0) + 1
    this.#attempts.set(name, attempt)
    if (chance(this.#settings.seed, `create:${name}:${attempt}`) >= this.#settings.failedCreates) return
    throw new DrydockError('DD-HV-007', `expected ${name} to start, found a simulated failure (attempt ${attempt})`, 'it is tried again; `failedCreates` of the connection says how often this happens')
  }

  #diskOf({ lock, layers }: ImageManifest): SimVm['disk'] {
    const base = `${lock.base.name}-${lock.base.version}`
    const roles = lock.roles.map(role => ({ ...role, full: `${role.role}-${role.version}` }))
    return {
      layers: layers.map(layer => layer.verityRoot),
      verify: [...lock.base.verify.map(verify => ({ role: base, ...verify })), ...roles.flatMap(role => role.verify.map(verify => ({ role: role.full, ...verify })))],
      environment: Object.assign({}, ...roles.map(role => role.env)) as Record<string, string>,
      fault: roles.map(role => this.#settings.badRoles[role.full]).find(fault => fault !== undefined) ?? null,
    }
  }
}
