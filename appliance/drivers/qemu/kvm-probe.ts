import { constants } from 'node:fs'
import { access, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { writeDurably } from '../../core/durable-file.ts'
import { runProgram } from '../../core/run-program.ts'
import { KVM_PROBE_MILLISECONDS } from './limits.ts'
import { scratchPath } from './vm-folder.ts'

export type Acceleration = { kind: 'kvm' | 'tcg'; note: string | null }

/** What the guest tells QEMU's isa-debug-exit device; QEMU then exits with twice this and one more. */
const DONE = 0x10
const DONE_EXIT = DONE * 2 + 1

/**
 * A whole guest in 142 bytes, at the start of a 64 KiB firmware image. There are machines whose /dev/kvm (kvm_pvm, in a cloud's VM) runs
 * firmware and boot loaders, and emulates a kernel's instructions one by one, 600,000 a second: a Linux then looks as if it hung. So the
 * guest goes where Linux goes, page tables, PAE, long mode, and runs 20 million instructions there: 20 ms on a real KVM, 0.1 s under TCG, half a minute there.
 *
 *        cli; xor ax,ax; mov es,ax; mov ds,ax
 *        mov dword [0x1000],0x2003           ; PML4 → 0x2000
 *        mov dword [0x2000],0x3003           ; PDPT → 0x3000
 *        mov dword [0x3000],0x83             ; one page of 2 MiB at 0
 *        cr4 |= PAE; cr3 = 0x1000; EFER |= LME; lgdt [cs:gdtr]; cr0 |= PG|PE; jmp 8:0xf0060
 *   long64: mov ecx,20000000 ; a: mov eax,ecx ; loop a
 *        mov al,0x10; out 0xf4,al ; b: hlt; jmp b
 *   gdt: null, code64 (9b: accessed, since ROM cannot be written), data ; gdtr
 */
const GUEST = Buffer.from(
  '+jHAjsCO2GbHBgAQAyAAAGbHBgAgAzAAAGbHBgAwgwAAAA8g4GaDyCAPIuBmuAAQAAAPIthmuYAAAMAPMmYNAAEAAA8wLmYPARaIAA8gwGYNAQAAgA8iwGbqYAAPAAgAuQAtMQGJyOL8sBDm9PTr/QAAAAAAAAAAAAAAAACbIAAAAAAAAJMAABcAcAAPAA==',
  'base64',
)
/** At the reset vector, 16 bytes below the end: jmp f000:0000. */
const RESET = Buffer.from([0xea, 0x00, 0x00, 0x00, 0xf0])

function firmware(): Buffer {
  const image = Buffer.alloc(64 * 1024)
  GUEST.copy(image, 0)
  RESET.copy(image, image.length - 16)
  return image
}

/** Asks /dev/kvm to run a guest. It may be missing, closed to us, or there and hanging: then TCG, and a note that says why. */
export async function probeKvm(scratch: string, device = '/dev/kvm'): Promise<Acceleration> {
  const reachable = await access(device, constants.R_OK | constants.W_OK).then(() => null, (failure: NodeJS.ErrnoException) => failure.code)
  if (reachable === 'ENOENT') return tcg('this machine has no /dev/kvm')
  if (reachable !== null) return tcg('/dev/kvm is there, but this user may not open it (add it to the group kvm)')
  return (await runsGuest(scratch, 'kvm')) ? { kind: 'kvm', note: null } : tcg(`/dev/kvm is there, but a probe guest did not run its 20 million instructions on it in ${KVM_PROBE_MILLISECONDS / 1000} s`)
}

/** Whether the tiny guest reaches its end under this accelerator; exported so that a test can show that it does under TCG. */
export async function runsGuest(scratch: string, accelerator: 'kvm' | 'tcg'): Promise<boolean> {
  const folder = scratchPath(scratch, 'probe')
  await mkdir(folder, { mode: 0o700 })
  try {
    const bios = join(folder, 'bios')
    await writeDurably(bios, firmware())
    const run = runProgram('qemu-system-x86_64', {
      args: ['-machine', 'q35', '-accel', accelerator, '-m', '16', '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-bios', bios, '-device', 'isa-debug-exit,iobase=0xf4,iosize=0x04'],
      accept: [DONE_EXIT],
      timeout: KVM_PROBE_MILLISECONDS,
      package: 'qemu-system-x86',
    })
    // A process that hangs inside the kernel may not even die of SIGKILL; it is not waited for then.
    return await Promise.race([run.then(() => true, () => false), sleep(KVM_PROBE_MILLISECONDS + 2_000, false, { ref: false })])
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function tcg(why: string): Acceleration {
  return { kind: 'tcg', note: `${why}; VMs run under TCG, which is many times slower` }
}
