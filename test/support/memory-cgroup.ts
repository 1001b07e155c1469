import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'

const ROOT = '/sys/fs/cgroup/memory'
/** How often what a group uses is looked at, milliseconds. */
const LOOK_MS = 10

/** Whether groups with a limit can be made here: cgroup v1, as root. */
export function canLimitMemory(): boolean {
  try {
    accessSync(join(ROOT, 'memory.limit_in_bytes'), constants.R_OK)
    accessSync(ROOT, constants.W_OK)
    return process.getuid?.() === 0
  } catch {
    return false
  }
}

export type MemoryCgroup = {
  /** In front of a command: it and everything it starts is in the group. */
  prefix: readonly string[]
  /** The most that its processes held so far beside what the kernel may drop (the page cache), bytes. */
  peak(): number
  /** How many of its processes the kernel has killed. */
  killed(): number
  /** After all of its processes have ended. */
  remove(): Promise<void>
}

/** Processes that may use so many bytes together, sandboxes included; who wants more is killed by the kernel. */
export function memoryCgroup(name: string, bytes: number): MemoryCgroup {
  const folder = join(ROOT, `drydock-test-${name}-${process.pid}`)
  mkdirSync(folder)
  writeFileSync(join(folder, 'memory.limit_in_bytes'), String(bytes))
  const figure = (file: string, key: string): number => Number(new RegExp(`^${key} (\\d+)$`, 'm').exec(readFileSync(join(folder, file), 'utf8'))?.[1])
  let peak = 0
  const look = setInterval(() => (peak = Math.max(peak, figure('memory.stat', 'total_rss'))), LOOK_MS)
  return {
    prefix: ['sh', '-c', 'echo $$ > "$0/cgroup.procs" && exec "$@"', folder],
    peak: () => peak,
    killed: () => figure('memory.oom_control', 'oom_kill'),
    async remove() {
      clearInterval(look)
      for (let tries = 0; existsSync(folder) && tries < 50; tries++) {
        try {
          rmdirSync(folder)
        } catch {
          await setTimeout(100)
        }
      }
    },
  }
}
