import { readdirSync, readFileSync } from 'node:fs'

/** Processes whose command line holds this text, as /proc shows them: `<pid> <command line>`. Zombies have none. */
export function processesWith(text: string): string[] {
  return readdirSync('/proc').flatMap(entry => {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) return []
    try {
      const line = readFileSync(`/proc/${entry}/cmdline`, 'utf8').replaceAll('\0', ' ')
      return line.includes(text) ? [`${entry} ${line}`] : []
    } catch {
      return []
    }
  })
}
