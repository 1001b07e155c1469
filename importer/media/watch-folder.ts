import { watch, type FSWatcher } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { asDrydockError } from '../../appliance/core/error.ts'
import type { Log } from '../../appliance/core/log.ts'

/** A file is taken when nothing about it has changed for so long. One that is renamed into place waits as long: nobody can tell. */
const SETTLE_MS = 3_000
/** Notifications say when to look; where there are none (network file systems) or one is lost, a slow look finds the rest. */
const RESCAN_MS = 30_000
const ENDING = '.drydock'

/** `identity` is another one whenever the file's bytes may be. */
export type Dropped = { path: string; name: string; identity: string }

export type WatchFolderDeps = {
  folders: readonly string[]
  log: Log
  /** Told of each settled file at each look; who is told knows what was taken already. */
  arrived: (file: Dropped) => Promise<void>
  settleMs?: number
  rescanMs?: number
}

export type WatchFolders = { stop(): Promise<void> }

/** Watches folders of this machine, not their subfolders. Plain files named *.drydock; a link or a hidden name is nobody's bundle. */
export function watchFolders(deps: WatchFolderDeps): WatchFolders {
  const settleMs = deps.settleMs ?? SETTLE_MS
  const seen = new Map<string, { identity: string; since: number }>()
  const watchers: FSWatcher[] = []
  let stopped = false
  let running: Promise<void> = Promise.resolve()
  let timer: NodeJS.Timeout | undefined
  let due = Infinity

  /** The sooner of what was asked for is done; one look at a time. */
  function lookIn(milliseconds: number): void {
    const at = performance.now() + milliseconds
    if (stopped || at >= due) return
    clearTimeout(timer)
    due = at
    timer = setTimeout(() => {
      due = Infinity
      running = running.then(look)
    }, milliseconds)
  }

  async function look(): Promise<void> {
    let unsettled = false
    const present = new Set<string>()
    for (const folder of deps.folders) {
      for (const file of await filesIn(folder, deps.log)) {
        present.add(file.path)
        const before = seen.get(file.path)
        if (before?.identity !== file.identity) seen.set(file.path, { identity: file.identity, since: performance.now() })
        if (before?.identity !== file.identity || performance.now() - before.since < settleMs) unsettled = true
        else if (!stopped) await deps.arrived(file).catch((failure: unknown) => deps.log.warn({ path: file.path, code: asDrydockError(failure).code, cause: String(failure) }, 'a bundle in a watch folder could not be taken'))
      }
    }
    for (const path of seen.keys()) if (!present.has(path)) seen.delete(path)
    lookIn(unsettled ? settleMs : (deps.rescanMs ?? RESCAN_MS))
  }

  for (const folder of deps.folders) {
    try {
      const watcher = watch(folder, () => lookIn(Math.min(settleMs, 200)))
      watcher.on('error', failure => deps.log.warn({ folder, cause: String(failure) }, 'a watch folder sends no notifications; it is looked at every half minute'))
      watchers.push(watcher)
    } catch (failure) {
      deps.log.warn({ folder, cause: String(failure) }, 'a watch folder cannot be watched; it is looked at every half minute')
    }
  }
  lookIn(0)

  return {
    async stop() {
      stopped = true
      clearTimeout(timer)
      for (const watcher of watchers) watcher.close()
      await running
    },
  }
}

async function filesIn(folder: string, log: Log): Promise<Dropped[]> {
  const names = await readdir(folder).catch((failure: unknown) => {
    log.warn({ folder, cause: String(failure) }, 'a watch folder cannot be read')
    return []
  })
  const files: Dropped[] = []
  for (const name of names.filter(one => one.endsWith(ENDING) && !one.startsWith('.')).toSorted()) {
    const path = join(folder, name)
    const found = await lstat(path).catch(() => undefined)
    if (found?.isFile() === true && found.size > 0) files.push({ path, name, identity: `${path}\n${found.dev}:${found.ino}:${found.size}:${found.mtimeMs}` })
  }
  return files
}
