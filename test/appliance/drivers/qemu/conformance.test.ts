import t from 'tap'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { wallClock } from '../../../../appliance/core/clock.ts'
import { silentLog } from '../../../../appliance/core/log.ts'
import { openQemu } from '../../../../appliance/drivers/qemu/driver.ts'
import { hypervisorConformance } from '../../../conformance/hypervisor.ts'
import { processesWith } from './processes.ts'

await t.test('qemu does what every hypervisor must', async t => {
  await hypervisorConformance(t, async t => {
    const vmsDir = join(t.testdir(), 'vms')
    const foreign = new Map<string, ChildProcess>()
    // The test folder is part of each VM's kernel path, so that a neighbour's test is never mistaken for this one.
    const ours = (): string[] => processesWith(t.testdirName).filter(line => line.includes('qemu-system'))
    return {
      open: async applianceId => await openQemu({ name: 'local', applianceId, vmsDir, holes: [], clock: wallClock, log: silentLog }),
      traces: async name => [...ours().filter(line => line.includes(`-name guest=${name} `)), ...(existsSync(join(vmsDir, name)) ? [join(vmsDir, name)] : [])],
      plantForeign: async name => {
        const child = spawn('qemu-system-x86_64', ['-name', `guest=${name}`, '-machine', 'q35', '-accel', 'tcg', '-m', '16', '-nodefaults', '-display', 'none', '-S'], { stdio: 'ignore' })
        foreign.set(name, child)
        await once(child, 'spawn')
      },
      foreignLives: async name => foreign.get(name)?.exitCode === null && foreign.get(name)?.signalCode === null,
      removeForeign: async name => {
        const child = foreign.get(name)
        if (child === undefined || child.exitCode !== null) return
        child.kill('SIGKILL')
        await once(child, 'exit')
      },
      leftovers: async () => [...ours(), ...readdirSync(vmsDir)],
    }
  })
})
