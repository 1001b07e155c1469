import type { Digest } from '../core/digest.ts'

/** Who a VM belongs to. Without all four, nothing is ever destroyed. `fence` is the pool's fence when it was made. */
export type Ownership = { applianceId: string; pool: string; revision: number; fence: number }

/** A VM as it should be. */
export type VmIntent = {
  name: string
  ownership: Ownership
  image: Digest
  hardware: { cpus: number; memoryMiB: number }
  /** The bytes of `node.json` on its config drive (ISO 9660, label DRYDOCK): name, appliance, CA, one-time token. */
  nodeJson: string
}

/** A VM as the hypervisor sees it. `intentDigest` is of the canonical JSON of its VmIntent without nodeJson. */
export type ObservedVm = {
  name: string
  ownership: Ownership
  image: Digest
  state: 'running' | 'stopped'
  /** Milliseconds since 1970. */
  startedAt: number
  intentDigest: Digest
  /** What a person can look for from outside the driver: the QEMU process id, a libvirt UUID. */
  handle: string
}

export type HypervisorCapabilities = {
  kind: string
  version: string
  /** `kvm`, `tcg`, or `none` for the simulated one; said in words in `notes` when it is not what one would hope for. */
  acceleration: 'kvm' | 'tcg' | 'none'
  cpus: number
  /** What all VMs may have together, those that run included. */
  memoryMiB: number
  diskFreeMiB: number
  notes: string[]
}

/** What a driver is told of an image: the folder images/<hex> with disk.raw, vmlinuz, initrd and manifest.json. */
export type ImageOnDisk = { digest: Digest; folder: string; commandLine: string }

/**
 * One hypervisor. All calls are idempotent by VM name and may be repeated after a crash.
 * Every call takes a signal and gives up with DD-CORE-007 when it fires.
 */
export interface Hypervisor {
  readonly name: string
  capabilities(signal: AbortSignal): Promise<HypervisorCapabilities>
  /** Makes the image bootable from here; checks its digest. */
  ensureImage(image: ImageOnDisk, signal: AbortSignal): Promise<void>
  /** Defines and starts. The same name with the same intent again is no error; with another intent it is DD-HV-… */
  create(vm: VmIntent, signal: AbortSignal): Promise<void>
  /** Only VMs of this appliance: those with all four ownership fields and our applianceId. */
  list(signal: AbortSignal): Promise<ObservedVm[]>
  /** Stops it and leaves no process and no file. A VM that is not there is no error; one whose ownership differs is refused. */
  destroy(name: string, ownership: Ownership, signal: AbortSignal): Promise<void>
  /** The last part of its console log, at most 256 KiB. */
  console(name: string, signal: AbortSignal): Promise<string>
  /** Ends what the driver itself holds (timers, watchers); VMs go on. */
  close(): Promise<void>
}
