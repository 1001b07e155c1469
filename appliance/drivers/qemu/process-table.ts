import { readdir, readFile, readlink, stat } from 'node:fs/promises'
import { helperTag, identityOf, type StampedIdentity } from './command-line.ts'

/** One process. A pid alone is no proof, since the kernel gives it again: `startTicks` (clock ticks since boot) tells them apart. */
export type Process = { pid: number; startTicks: number }

export type VmProcess = Process & { identity: StampedIdentity; startedAt: number }

/** Clock ticks a second, as /proc counts: 100 on every Linux that Debian ships. */
const TICKS = 100

/**
 * Our VMs that run in this folder of VMs: of our user, with their working directory below it, and stamped by Drydock.
 * A copy of this appliance elsewhere has the same appliance id, but its VMs stand in another folder and are not ours.
 */
export async function vmProcesses(vmsDir: string, hypervisor: string): Promise<VmProcess[]> {
  const bootedAt = Number(/^btime (\d+)$/m.exec(await readFile('/proc/stat', 'utf8'))?.[1] ?? 0) * 1000
  return await eachProcess(async (pid, args) => {
    const identity = identityOf(args)
    if (identity === null || identity.hypervisor !== hypervisor) return null
    const folder = (await readlink(`/proc/${pid}/cwd`)).replace(/ \(deleted\)$/, '')
    const startTicks = folder === `${vmsDir}/${identity.name}` ? await startOf(pid) : null
    return startTicks === null ? null : { pid, startTicks, identity, startedAt: bootedAt + (startTicks * 1000) / TICKS }
  })
}

/** The socat processes of one VM. libslirp gives each a session of its own, so neither parent nor group would find them all. */
export async function helperProcesses(uuid: string): Promise<Process[]> {
  const tag = `-lp${helperTag(uuid)}`
  return await eachProcess(async (pid, args) => {
    const startTicks = args.includes(tag) ? await startOf(pid) : null
    return startTicks === null ? null : { pid, startTicks }
  })
}

export async function runs(process_: Process): Promise<boolean> {
  return (await startOf(process_.pid)) === process_.startTicks
}

/** Signals exactly this process; one that is gone is no error. */
export async function signalProcess(target: Process, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (!(await runs(target))) return
  try {
    process.kill(target.pid, signal)
  } catch {
    // gone between the look and the signal
  }
}

/** A zombie counts as gone: it holds nothing but its exit status, and its parent may never ask for that. */
async function startOf(pid: number): Promise<number | null> {
  const line = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  return line === '' || fields[0] === 'Z' || fields[0] === 'X' ? null : Number(fields[19])
}

/** Processes of our own user; those that end while we look are left out. */
async function eachProcess<T>(look: (pid: number, args: string[]) => Promise<T | null>): Promise<T[]> {
  const me = process.geteuid?.()
  const found: T[] = []
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    try {
      const line = await readFile(`/proc/${entry}/cmdline`, 'utf8')
      if (!line.includes('drydock') || (await stat(`/proc/${entry}`)).uid !== me) continue
      const seen = await look(Number(entry), line.split('\0'))
      if (seen !== null) found.push(seen)
    } catch {
      // it ended, or is none of ours to read
    }
  }
  return found
}
