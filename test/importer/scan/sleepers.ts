import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Processes that sleep for so long, which nobody else does. */
export function sleepers(seconds: string): string[] {
  return readdirSync('/proc').filter(pid => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8') === `/usr/bin/sleep\0${seconds}\0`
    } catch {
      return false
    }
  })
}

export async function until(holds: () => boolean): Promise<boolean> {
  for (let k = 0; k < 600 && !holds(); k++) await sleep(100)
  return holds()
}
