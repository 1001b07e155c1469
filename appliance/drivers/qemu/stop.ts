import { join } from 'node:path'
import { DrydockError } from '../../core/error.ts'
import { pause } from '../give-up.ts'
import { KILL_MILLISECONDS, QUIT_MILLISECONDS, TERMINATE_MILLISECONDS } from './limits.ts'
import { helperProcesses, runs, signalProcess, type Process, type VmProcess } from './process-table.ts'
import { qmpCommand } from './qmp.ts'

/** Ends a VM, kindly at first. Resolves when the process is gone. @throws DD-HV-005 when even SIGKILL did not help. */
export async function stopQemu(vmsDir: string, vm: VmProcess, signal: AbortSignal): Promise<void> {
  await signalProcess(vm, 'SIGTERM')
  if (await goneWithin(vm, TERMINATE_MILLISECONDS, signal)) return
  await qmpCommand(join(vmsDir, vm.identity.name), 'quit', QUIT_MILLISECONDS)
  if (await goneWithin(vm, QUIT_MILLISECONDS, signal)) return
  await killAndWait(vm, signal)
}

/** Ends the socat processes through which a guest reached us. They have nothing to lose. */
export async function stopHelpers(uuid: string, signal: AbortSignal): Promise<void> {
  for (const helper of await helperProcesses(uuid)) await killAndWait(helper, signal)
}

async function killAndWait(target: Process, signal: AbortSignal): Promise<void> {
  await signalProcess(target, 'SIGKILL')
  if (await goneWithin(target, KILL_MILLISECONDS, signal)) return
  throw new DrydockError('DD-HV-005', `expected process ${target.pid} to be gone ${KILL_MILLISECONDS / 1000} s after SIGKILL, found it still there`, 'the kernel holds it (dmesg); Drydock tries again')
}

async function goneWithin(target: Process, milliseconds: number, signal: AbortSignal): Promise<boolean> {
  const deadline = performance.now() + milliseconds
  for (let wait = 5; await runs(target); wait = Math.min(wait * 2, 100)) {
    if (performance.now() > deadline) return false
    await pause(wait, signal, 'stop the VM')
  }
  return true
}
