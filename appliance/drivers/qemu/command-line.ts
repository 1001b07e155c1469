import { digestFromHex, hexOf, isDigest, type Digest } from '../../core/digest.ts'
import type { ImageOnDisk, Ownership } from '../../model/hypervisor.ts'
import { imageOf, type VmRecord } from '../vm-record.ts'

/** A TCP port of this machine that the guest reaches, as `guest` (its side) and `host` (ours). */
export type Hole = { guest: { address: string; port: number }; host: { address: string; port: number } }

export type QemuMachine = { acceleration: 'kvm' | 'tcg'; hypervisor: string; image: ImageOnDisk; holes: readonly Hole[]; socat: string }

/** What a VM's command line says of itself: enough to own it with no file left. */
export type StampedIdentity = { hypervisor: string; name: string; uuid: string; ownership: Ownership; image: Digest; intentDigest: Digest }

/**
 * The whole command line. Relative names are in the VM's folder, which is the working directory: a UNIX socket's path may
 * have only 107 bytes, and data folders can be long.
 * Kernel and initrd are loaded directly. The disk and the config drive are read-only, so many VMs share one disk.
 * `restrict=on` cuts the guest off from everything but the holes. `-no-reboot`: a guest that resets has lost its key; it ends and is replaced.
 */
export function commandLine(record: VmRecord, machine: QemuMachine): string[] {
  const { name, hardware } = record.intent
  // QEMU refuses two holes at one address; two connections may well name one server.
  const holes = [...new Map(machine.holes.map(hole => [`${hole.guest.address}:${hole.guest.port}`, hole])).values()].map(hole => {
    const socat = `${machine.socat} -lp${helperTag(record.uuid)} - TCP:${hole.host.address}:${hole.host.port}`
    return `guestfwd=tcp:${hole.guest.address}:${hole.guest.port}-cmd:${socat}`
  })
  return [
    ['-name', `guest=${name}`],
    ['-uuid', record.uuid],
    ['-smbios', stamp(record, machine.hypervisor)],
    ['-machine', 'q35,usb=off,graphics=off,vmport=off'],
    ['-accel', machine.acceleration === 'kvm' ? 'kvm' : 'tcg,thread=multi'],
    ['-cpu', machine.acceleration === 'kvm' ? 'host' : 'max'],
    ['-smp', `cpus=${hardware.cpus}`],
    ['-m', `${hardware.memoryMiB}M`],
    ['-nodefaults', '-no-user-config', '-no-reboot'],
    ['-display', 'none'],
    // elevateprivileges stays allowed: denying it forbids setsid, with which libslirp starts the holes' helpers. Loading the filter sets no_new_privs, which they inherit.
    ['-sandbox', 'on,obsolete=deny,elevateprivileges=allow,spawn=allow,resourcecontrol=deny'],
    ['-kernel', `${machine.image.folder}/vmlinuz`],
    ['-initrd', `${machine.image.folder}/initrd`],
    ['-append', machine.image.commandLine],
    drive('disk', `${machine.image.folder}/disk.raw`, 'drydock-disk'),
    drive('config', 'config.iso', 'drydock-config'),
    ['-netdev', ['user,id=net0,restrict=on,ipv6=off', ...holes.map(comma)].join(',')],
    ['-device', 'virtio-net-pci,netdev=net0,romfile='],
    ['-device', 'virtio-rng-pci'],
    ['-chardev', 'file,id=console,path=console.log,append=on', '-serial', 'chardev:console'],
    ['-qmp', 'unix:qmp.sock,server=on,wait=off'],
    ['-pidfile', 'qemu.pid'],
  ].flat()
}

/** The name by which a VM's socat processes are found. */
export function helperTag(uuid: string): string {
  return `drydock-${uuid}`
}

function drive(id: string, file: string, serial: string): string[] {
  return ['-drive', `if=none,id=${id},file=${comma(file)},format=raw,readonly=on`, '-device', `virtio-blk-pci,drive=${id},serial=${serial}`]
}

/** SMBIOS "OEM strings" (type 11): part of the process's command line, and readable in the guest by dmidecode. */
function stamp(record: VmRecord, hypervisor: string): string {
  const { name, ownership } = record.intent
  const values = {
    appliance: ownership.applianceId,
    hypervisor,
    name,
    uuid: record.uuid,
    pool: ownership.pool,
    revision: ownership.revision,
    fence: ownership.fence,
    image: hexOf(imageOf(record)),
    intent: hexOf(record.intentDigest),
  }
  return ['type=11', ...Object.entries(values).map(([key, value]) => `value=drydock.${key}=${comma(String(value))}`)].join(',')
}

/** Reads what {@link commandLine} stamped. @returns null for any process that is not one of Drydock's VMs. */
export function identityOf(args: readonly string[]): StampedIdentity | null {
  const stamped = args[args.indexOf('-smbios') + 1]
  if (stamped === undefined || !stamped.startsWith('type=11,value=drydock.')) return null
  const facts = new Map([...stamped.matchAll(/,value=drydock\.([a-z]+)=((?:[^,]|,,)*)/g)].map(found => [found[1]!, found[2]!.replaceAll(',,', ',')]))
  const text = (key: string): string => facts.get(key) ?? ''
  const ownership = { applianceId: text('appliance'), pool: text('pool'), revision: Number(text('revision') || NaN), fence: Number(text('fence') || NaN) }
  if (ownership.applianceId === '' || ownership.pool === '' || !Number.isInteger(ownership.revision) || !Number.isInteger(ownership.fence)) return null
  if (text('name') === '' || !isDigest(`sha256:${text('image')}`) || !isDigest(`sha256:${text('intent')}`)) return null
  return { hypervisor: text('hypervisor'), name: text('name'), uuid: text('uuid'), ownership, image: digestFromHex(text('image')), intentDigest: digestFromHex(text('intent')) }
}

/** QEMU's options end at a comma; a doubled one is a comma. */
function comma(text: string): string {
  return text.replaceAll(',', ',,')
}
